import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { connect, Identity, listen, type SecureServer, webSocket } from 'secure-sockets';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { esbuild } from './helpers/esbuild.js';
import { requireBuild, root } from './helpers/pack.js';
import { runtimesAreRequired, workerd } from './helpers/runtimes.js';
import { portOf } from './helpers/sockets.js';

// What was built, in the runtime of Cloudflare's Workers: test/workerd/worker.mjs against Node.

if (workerd.problem) console.warn(`SKIPPED: everything in workerd. ${workerd.problem}`);

test('workerd is installed', ({ skip }) => {
  if (workerd.problem && !runtimesAreRequired) skip(`NOT TESTED: ${workerd.problem}`);
  expect(workerd.problem).toBeUndefined();
});

/** Before that of August 2025 there is no MessageChannel. */
const dates = ['2025-06-01', '2026-11-01'];
const ALL = [0, 1, 300, 100_000, 1_000_000];

describe.skipIf(workerd.problem).each(dates)('in workerd, with a compatibility date of %s,', (date) => {
  const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-workerd-'));
  let identity: Identity;
  let server: SecureServer;
  let webSockets: WebSocketServer;
  let child: ChildProcess;
  let port: number;

  beforeAll(async () => {
    await requireBuild();
    identity = await Identity.generate({ modulusLength: 2048 });
    server = await listen({ identity, port: 0, host: '127.0.0.1' });
    echoAll();
    webSockets = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    webSockets.on('connection', (socket) => void server.attach(webSocket(socket)));
    await once(webSockets, 'listening');
    writeFileSync(join(folder, 'worker.js'), await bundleWorker());
    writeFileSync(join(folder, 'config.capnp'), configuration(date, identity.toPem()));
    [child, port] = await start(folder);
  }, 60_000);

  afterAll(async () => {
    if (child) {
      child.kill();
      await once(child, 'close');
    }
    webSockets?.close();
    await server?.close({ timeout: 0 });
    rmSync(folder, { recursive: true, force: true });
  });

  async function echoAll(): Promise<void> {
    for await (const client of server)
      void (async () => {
        for await (const message of client) await client.send(message);
        await client.close();
      })();
  }

  const ask = async (path: string, to: number): Promise<unknown> => {
    const { fingerprint } = identity;
    const query = new URLSearchParams({ port: `${to}`, serverKey: fingerprint, lengths: ALL.join() });
    return (await fetch(`http://127.0.0.1:${port}${path}?${query}`)).json();
  };
  const outcome = { lengths: ALL, backend: 'web', suite: 'X25519' };

  test('a client connects over a socket of connect()', async () => {
    expect(await ask('/tcp', portOf(server))).toEqual(outcome);
  });

  test('a client connects over a WebSocket', async () => {
    expect(await ask('/ws', (webSockets.address() as AddressInfo).port)).toEqual(outcome);
  });

  test('a server takes a connection over a WebSocket', async () => {
    const transport = webSocket(`ws://127.0.0.1:${port}/server`, { WebSocket });
    const client = await connect(transport, { serverKey: identity.fingerprint });
    for (const length of ALL) {
      await client.send(new Uint8Array(length).fill(9));
      expect(await client.recv()).toEqual(new Uint8Array(length).fill(9));
    }
    expect(await client.close()).toEqual({ closeCode: 0, error: undefined });
  });
});

async function bundleWorker(): Promise<Uint8Array> {
  const { outputFiles, warnings } = await esbuild.build({
    ...{
      entryPoints: [join(root, 'test/workerd/worker.mjs')],
      outdir: 'out',
      write: false,
      logLevel: 'silent',
    },
    ...{ bundle: true, format: 'esm', conditions: ['workerd'], external: ['cloudflare:sockets'] },
    // this project's tsconfig.json has its sources
    tsconfigRaw: {},
  });
  expect(warnings).toEqual([]);
  return (outputFiles[0] as { contents: Uint8Array }).contents;
}

/** In the language of workerd's own configuration. */
function configuration(date: string, key: string): string {
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "internet", network = (allow = ["local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")],
  compatibilityDate = "${date}",
  bindings = [(name = "KEY", text = ${JSON.stringify(key)})],
);
`;
}

/** Tells its port on a pipe of its own. */
async function start(folder: string): Promise<[ChildProcess, port: number]> {
  const [program, ...options] = workerd.command;
  const child = spawn(program, [...options, 'serve', '--control-fd=3', join(folder, 'config.capnp')], {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
  });
  for await (const line of createInterface({ input: child.stdio[3] as Readable })) {
    const { event, port } = JSON.parse(line) as { event: string; port?: number };
    if (event === 'listen' && port) return [child, port];
  }
  throw new Error('workerd does not listen');
}
