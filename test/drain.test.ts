import type { SecureClient, SecureServer } from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { open } from './helpers/kept.js';
import { clientOf, pause, portOf, protocols, rejection, startListening } from './helpers/sockets.js';
import { bytes, text } from './helpers/texts.js';

/** Answers each message when `work` is done, and counts what became of its connections. */
function serve(
  server: SecureServer,
  work: () => Promise<unknown>,
): { done: Promise<void>; errors: unknown[] } {
  const errors: unknown[] = [];
  const handlers: Promise<void>[] = [];
  const handle = async (client: SecureClient): Promise<void> => {
    for await (const message of client) {
      await work();
      await client.send(message);
    }
    await client.close();
  };
  const done = (async () => {
    for await (const client of server)
      handlers.push(handle(client).catch((error) => void errors.push(error)));
    await Promise.all(handlers);
  })();
  return { done, errors };
}

describe.each(protocols)('a %s server that closes with drain', (protocol) => {
  async function connect(server: SecureServer): Promise<SecureClient> {
    const client = clientOf(server, { protocol });
    open.push(client);
    await client.connect({ host: '127.0.0.1', port: portOf(server) });
    return client;
  }

  it('lets handlers finish, and gives their answers to the clients', async () => {
    const server = await startListening(protocol);
    let working = 0;
    let finish = (): void => {};
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const { done, errors } = serve(server, () => {
      working++;
      return finished;
    });
    const clients = await Promise.all([connect(server), connect(server), connect(server)]);
    const [busy, busier, idle] = clients as [SecureClient, SecureClient, SecureClient];
    await busy.send(bytes('one'));
    await busier.send(bytes('two'));
    await busier.send(bytes('three'));
    await expect.poll(() => [server.stats.open, working]).toEqual([3, 2]);
    const port = portOf(server);
    const begun = performance.now();
    const closed = server.close({ drain: 10_000 });
    const late = clientOf(server, { protocol });
    expect(await rejection(late.connect({ host: '127.0.0.1', port }))).toBeInstanceOf(Error);
    expect(await idle.recv()).toBeNull();
    finish();
    expect([text(await busy.recv()), await busy.recv()]).toEqual(['one', null]);
    expect([text(await busier.recv()), text(await busier.recv()), await busier.recv()]).toEqual([
      'two',
      'three',
      null,
    ]);
    await Promise.all([closed, done]);
    expect(errors).toEqual([]);
    if (protocol === 'sealed') expect(clients.map(({ closeCode }) => closeCode)).toEqual([1, 1, 1]);
    expect(performance.now() - begun).toBeLessThan(5000);
    expect(server.stats.open).toBe(0);
  });

  it('takes a message that is on its way, however large', async () => {
    const server = await startListening(protocol);
    const { done, errors } = serve(server, () => pause(10));
    const client = await connect(server);
    const large = new Uint8Array(8_000_000).fill(7);
    const sent = client.send(large);
    // a classic client sends before the server's half of the handshake is done, and close() ends handshakes
    await expect.poll(() => server.stats.open).toBe(1);
    await expect.poll(() => server.stats.bytesRead).toBeGreaterThan(100_000);
    const closed = server.close({ drain: 10_000 });
    await sent;
    expect((await client.recv())?.length).toBe(large.length);
    expect(await client.recv()).toBeNull();
    await Promise.all([closed, done]);
    expect(errors).toEqual([]);
  });

  it('waits no longer than that for a program that does not finish', async () => {
    const server = await startListening(protocol);
    const client = await connect(server);
    const peer = await server.accept();
    const begun = performance.now();
    const closed = server.close({ drain: 300, timeout: 300 });
    await peer.send(bytes('still served'));
    expect(text(await client.recv())).toBe('still served');
    expect(await client.recv()).toBeNull();
    await closed;
    expect(performance.now() - begun).toBeGreaterThan(250);
    expect(performance.now() - begun).toBeLessThan(3000);
  });

  it('is hurried by a second close()', async () => {
    const server = await startListening(protocol);
    const client = await connect(server);
    await server.accept();
    const begun = performance.now();
    const draining = server.close({ drain: 60_000 });
    const closed = server.close();
    expect(await client.recv()).toBeNull();
    await Promise.all([draining, closed]);
    expect(performance.now() - begun).toBeLessThan(3000);
  });

  it('drops clients that were not accepted at once', async () => {
    const server = await startListening(protocol);
    const client = await connect(server);
    await client.send(bytes('never read'));
    await expect.poll(() => server.stats.waiting).toBe(1);
    const begun = performance.now();
    await server.close({ drain: 60_000, timeout: 500 });
    expect(performance.now() - begun).toBeLessThan(5000);
    expect(await client.recv().catch(({ code }) => code)).toSatisfy(
      (end) => end === null || end === 'TRUNCATED',
    );
  });

  it.each([
    [null, 'close() takes'],
    [{ drain: -1 }, 'drain of close() must be'],
    [{ drain: Number.NaN }, 'drain of close() must be'],
    [{ timeout: 'soon' }, 'timeout of close() must be'],
    [{ gently: true }, 'no option "gently"'],
  ])('refuses %j', async (options, words) => {
    const server = await startListening(protocol);
    open.push(server);
    const error = await rejection(server.close(options as never));
    expect(error).toMatchObject({ code: 'BAD_ARGUMENT', message: expect.stringContaining(words) });
    expect(server.stats.open).toBe(0);
    const client = await connect(server);
    expect(client.peer === undefined).toBe(false);
  });
});
