import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import os from 'node:os';

/** Where and when the figures were measured: absolute figures mean nothing without that. */
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

/** The first line of a report. */
export function printAbout({ node, openssl, processor, cores, loadBefore, library }) {
  const where = `${processor}, ${cores} cores, load before ${loadBefore}`;
  console.log(`\nsecure-sockets ${library}, Node ${node}, OpenSSL ${openssl}, ${where}`);
}

/** The wanted number of connections, or what the limit of open files allows, with some spare. */
export function connectionsPossible(wanted) {
  if (process.platform === 'win32') return wanted;
  // Node raises its own limit to this
  const limit = Number(execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }));
  const possible = Number.isNaN(limit) ? wanted : Math.min(wanted, limit - 300);
  if (possible < wanted) console.error(`${possible} connections instead of ${wanted}: see ulimit -Hn`);
  return possible;
}

function ownVersion() {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return version;
}
