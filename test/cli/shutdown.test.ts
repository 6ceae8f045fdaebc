import { once } from 'node:events';
import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { SecureClient, SecureServer } from 'secure-sockets';
import { describe, expect, test } from 'vitest';
import { portOf, type Running } from './command.js';
import { begin, plainClient, plainServer, tunnelTo, usePlace } from './place.js';

// Stopped by SIGTERM, a service takes no one in any more, so that its successor has the address at once; what is
// connected comes to its end, and what does not is cut off after five seconds.

const place = usePlace();

/** Waits until connections to the port are refused by the system. */
async function expectRefused(port: number): Promise<void> {
  const knock = async (): Promise<unknown> => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    const [error] = await Promise.race([once(socket, 'error'), once(socket, 'connect')]).catch((e) => [e]);
    socket.destroy();
    return (error as { code?: string } | undefined)?.code;
  };
  await expect.poll(knock, { timeout: 3000 }).toBe('ECONNREFUSED');
}

/** Whether it is still there. */
const runs = ({ child }: Running): boolean => child.exitCode === null && child.signalCode === null;

describe.each([
  ['with streams', []],
  ['one sealed connection for each', ['--carriers', '0']],
])('a tunnel, %s', (_, flags) => {
  test.each(['client', 'server'] as const)('whose %s is stopped gives the answers it owes', async (end) => {
    let answer: (() => void) | undefined;
    const target = await plainServer((socket) => {
      socket.once('data', () => {
        answer = () => socket.end('the answer');
      });
      socket.resume();
    });
    const tunnel = await tunnelTo(target, { client: flags, server: flags });
    const socket = plainClient(tunnel.port);
    const received = (async () => {
      let text = '';
      for await (const chunk of socket) text += chunk;
      return text;
    })().catch(String);
    socket.write('a question');
    await expect.poll(() => answer, { timeout: 10_000 }).toBeTypeOf('function');
    const stopped = tunnel[end].stop('SIGTERM');
    await expectRefused(end === 'server' ? tunnel.serverPort : tunnel.port);
    expect(runs(tunnel[end])).toBe(true);
    answer?.();
    expect(await received).toBe('the answer');
    socket.end();
    expect(await stopped).toMatchObject({ code: 0 });
  });
});

describe('a bridge', () => {
  test('that is stopped gives the answers it owes', async () => {
    const target = new SecureServer({ protocol: 'classic', allowHalfOpen: true });
    place.undo.push(() => target.close({ timeout: 100 }));
    await target.listen({ host: '127.0.0.1', port: 0 });
    const { port } = target.address as { port: number };
    const flags = ['--identity', 'server.pem', '--any-client', '127.0.0.1:0', `127.0.0.1:${port}`];
    const running = begin('bridge', 'inward', ...flags);
    const at = await portOf(running);
    const client = new SecureClient({ serverKey: place.serverKey, allowHalfOpen: true });
    place.undo.push(() => client.destroy());
    await client.connect({ host: '127.0.0.1', port: at });
    const served = await target.accept();
    await client.send(Buffer.from('a question'));
    expect(String(Buffer.from((await served.recv()) as Uint8Array))).toBe('a question');
    const stopped = running.stop('SIGTERM');
    await expectRefused(at);
    await served.send(Buffer.from('the answer'));
    await served.close();
    expect(String(Buffer.from((await client.recv()) as Uint8Array))).toBe('the answer');
    await client.close();
    expect(await stopped).toMatchObject({ code: 0 });
  });
});

describe('listen -k', () => {
  test('that is stopped writes what its clients have to send', async () => {
    const server = begin('listen', '-k', '--identity', 'server.pem', '127.0.0.1:0');
    const port = await portOf(server);
    const client = new SecureClient({ serverKey: place.serverKey, allowHalfOpen: true });
    place.undo.push(() => client.destroy());
    await client.connect({ host: '127.0.0.1', port });
    await client.send(Buffer.from('first, '));
    const stopped = server.stop('SIGTERM');
    await expectRefused(port);
    expect(await client.recv()).toBeNull();
    expect(client.closeCode).toBe(1);
    await sleep(200);
    await client.send(Buffer.from('second, '));
    await sleep(200);
    await client.send(Buffer.from('third'));
    await client.close();
    expect(await stopped).toMatchObject({ code: 0, stdout: 'first, second, third' });
  });

  test('cuts off a client that does not end', async () => {
    const server = begin('listen', '-k', '--identity', 'server.pem', '127.0.0.1:0');
    const port = await portOf(server);
    const client = new SecureClient({ serverKey: place.serverKey, allowHalfOpen: true });
    place.undo.push(() => client.destroy());
    await client.connect({ host: '127.0.0.1', port });
    await client.send(Buffer.from('first'));
    const begun = performance.now();
    expect(await server.stop('SIGTERM')).toMatchObject({ code: 0, stdout: 'first' });
    expect(performance.now() - begun).toBeGreaterThan(4000);
    expect(performance.now() - begun).toBeLessThan(9000);
  });
});

describe('receive -k', () => {
  test('that is stopped does not wait for a sender that has nothing under way', async () => {
    const server = begin('receive', '-k', '-o', '.', '--identity', 'server.pem', '127.0.0.1:0');
    const port = await portOf(server);
    const sender = new SecureClient({ serverKey: place.serverKey, allowHalfOpen: true });
    place.undo.push(() => sender.destroy());
    await sender.connect({ host: '127.0.0.1', port });
    const begun = performance.now();
    const stopped = server.stop('SIGTERM');
    expect(await sender.recv()).toBeNull();
    expect(sender.closeCode).toBe(1);
    await sender.close();
    expect(await stopped).toMatchObject({ code: 0 });
    expect(performance.now() - begun).toBeLessThan(4000);
    await expectRefused(port);
  });
});
