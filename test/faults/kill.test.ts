import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Identity, SecureClient } from 'secure-sockets';
import { afterEach, describe, expect, it } from 'vitest';
import { root } from '../helpers/pack.js';
import { clientOf, portOf, protocols, startListening } from '../helpers/sockets.js';
import { type Account, answer, ask } from './conversation.js';

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** A process of its own with the built package. It writes one line when it is ready. A file: Deno's --eval takes no module. */
async function start(
  script: 'kill-server.mjs' | 'kill-clients.mjs',
  env: Record<string, string>,
): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, script)], {
    cwd: root,
    env: { ...process.env, NODE_NO_WARNINGS: '1', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  if (child.stdout === null) throw new Error('no standard output');
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { child, line };
}

/** How an end may see its peer's process die. Classic cannot tell it from an orderly end at a boundary. */
const possible = {
  sealed: /^TRUNCATED$/,
  classic: /^(end|TRUNCATED|CLOSED)$/,
};

describe.each(protocols)('%s', (protocol) => {
  // defence: every half of a connection ends when the transport does
  it('clients notice that the process of their server is killed, whatever it was doing', async () => {
    const identity = await Identity.generate({
      role: protocol === 'classic' ? 'classic-server' : 'server',
      modulusLength: 2048,
    });
    for (const after of [0, 15, 60]) {
      const { child, line } = await start('kill-server.mjs', { PROTOCOL: protocol, KEY: identity.toPem() });
      const asking = Array.from({ length: 8 }, async (_, i): Promise<Account | string> => {
        const settle = protocol === 'classic' ? { settleMs: 0 } : {};
        const client = new SecureClient({ protocol, serverKey: identity.fingerprint, ...settle });
        try {
          await client.connect({ port: Number(line), host: '127.0.0.1' });
        } catch (error) {
          return (error as { code?: string }).code ?? String(error);
        }
        return ask(client, i, new Array<number>(100_000).fill(10_000));
      });
      await new Promise((resolve) => setTimeout(resolve, after));
      child.kill('SIGKILL');
      for (const account of await Promise.all(asking)) {
        if (typeof account === 'string')
          expect(account).toMatch(/^(HANDSHAKE_FAILED|ECONNRESET|ECONNREFUSED|EPIPE)$/);
        else {
          expect(account.offences).toEqual([]);
          expect(account.ending).toMatch(possible[protocol]);
        }
      }
    }
  });

  it('a server notices that the process of its clients is killed, and serves on', async () => {
    const ours = await startListening(protocol);
    const port = portOf(ours);
    const { child } = await start('kill-clients.mjs', {
      PROTOCOL: protocol,
      PORT: String(port),
      KEY: ours.fingerprint,
    });
    const peers = await Promise.all(Array.from({ length: 8 }, () => ours.accept()));
    const endings = peers.map(async (peer) => {
      try {
        for await (const message of peer) await peer.send(message);
        return 'end';
      } catch (error) {
        return (error as { code?: string }).code ?? String(error);
      }
    });
    child.kill('SIGKILL');
    for (const ending of await Promise.all(endings)) expect(ending).toMatch(possible[protocol]);
    await expect.poll(() => ours.stats.open).toBe(0);
    const client = clientOf(ours, { protocol });
    const accepted = ours.accept().then(answer);
    await client.connect({ port, host: '127.0.0.1' });
    expect(await ask(client, 1, [5])).toMatchObject({ ending: 'end', received: 1 });
    expect(await accepted).toMatchObject({ ending: 'end', received: 1 });
    await ours.close();
  });
});
