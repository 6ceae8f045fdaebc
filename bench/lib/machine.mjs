import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import os from 'node:os';

/** Where and when the figures were taken. Absolute ones do not travel without it. */
export function aboutThisRun(node = process.execPath) {
  const [version, openssl] = JSON.parse(
    execFileSync(node, ['-p', 'JSON.stringify([process.versions.node, process.versions.openssl])'], {
      encoding: 'utf8',
    }),
  );
  const [{ model }] = os.cpus();
  return {
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    node: version,
    openssl,
    processor: model.trim(),
    cores: os.availableParallelism(),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    loadBefore: Number(os.loadavg()[0].toFixed(2)),
    library: ownVersion(),
  };
}

function ownVersion() {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return version;
}
