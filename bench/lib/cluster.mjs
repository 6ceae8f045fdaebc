import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child } from './child.mjs';

const example = fileURLToPath(new URL('../../examples/cluster/server.mjs', import.meta.url));
/** Processes that generate the load. */
const CLIENTS = 2;

/** The throughput of examples/cluster with this many workers. */
export async function runCluster(workers, { duration, warmUp }) {
  const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-bench-'));
  const clients = Array.from({ length: CLIENTS }, () => new Child());
  let server;
  try {
    server = fork(example, ['0', String(workers)], {
      env: { ...process.env, KEY_FILE: join(folder, 'server.pem') },
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    const address = await addressOf(server);
    const inAll = async (settings) => {
      const { kind } = settings;
      const work = {
        name: 'sealed-default',
        address,
        kind,
        settings: { size: 1024, duration, warmUp, ...settings },
      };
      const done = await Promise.all(clients.map((client) => client.do('work', work)));
      return done.reduce((sum, { compared, count = compared, seconds }) => sum + count / seconds, 0);
    };
    await inAll({ kind: 'connect', lanes: 8, isWarmUp: true });
    return {
      'connections/s': await inAll({ kind: 'connect', lanes: 8 }),
      'k round trips of 1 KiB/s': (await inAll({ kind: 'active', connections: 32, close: true })) / 1000,
    };
  } finally {
    await Promise.all(clients.map((client) => client.end()));
    if (server) await stop(server);
    rmSync(folder, { recursive: true });
  }
}

async function addressOf(server) {
  const [text] = await Promise.race([
    once(server.stdout, 'data'),
    once(server, 'exit').then(([code]) => {
      throw new Error(`the cluster ended with exit code ${code}`);
    }),
  ]);
  const [port, fingerprint] = String(text).trim().split(' ');
  return { port: Number(port), fingerprint };
}

async function stop(server) {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const gone = once(server, 'exit');
  server.kill();
  await gone;
}
