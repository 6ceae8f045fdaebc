import { describe, expect, it } from 'vitest';
import { FaultProxy } from '../helpers/proxy.js';
import { sealedPythonProblem } from '../helpers/python.js';
import {
  connectTo,
  content,
  expectContent,
  expectEnd,
  pythonClient,
  pythonServer,
  sizes,
  useIdentities,
} from '../helpers/sealed-python.js';
import { pause, portOf, rejection, startListening } from '../helpers/sockets.js';

/** Resolves when more bytes have passed to the server. */
async function moreToServer(proxy: FaultProxy): Promise<void> {
  const { toServer } = proxy.passed;
  await expect.poll(() => proxy.passed.toServer, { timeout: 20_000 }).toBeGreaterThan(toServer);
}

describe.skipIf(sealedPythonProblem)('an open connection to Python', { timeout: 60_000 }, () => {
  useIdentities();

  describe('PING and PONG', () => {
    const RECORD = 20; // bytes of a record without a payload

    it('a Python end answers every PING, also while its program does something else', async () => {
      await using server = await startListening('sealed', { pingInterval: 50, closeTimeout: 20_000 });
      const accepted = server.accept();
      await using proxy = await FaultProxy.listen(portOf(server));
      const told = pythonClient(proxy.port, { do: 'sleep', seconds: 2 });
      const client = await accepted;
      await moreToServer(proxy); // the first PONG: the handshake has passed
      const before = proxy.passed;
      await pause(1000);
      const after = proxy.passed;
      const [pings, pongs] = [after.toClient - before.toClient, after.toServer - before.toServer];
      expect(pings).toBeGreaterThanOrEqual(2 * RECORD);
      expect(pongs % RECORD).toBe(0);
      expect(Math.abs(pings - pongs)).toBeLessThanOrEqual(RECORD);
      await client.close();
      expect(await told).toMatchObject({ rest: 0, close_code: 0 });
    });

    it('a Python end that does not take its messages says that it is alive', async () => {
      await using server = await startListening('sealed', { pingInterval: 0, closeTimeout: 20_000 });
      const accepted = server.accept();
      await using proxy = await FaultProxy.listen(portOf(server));
      const options = { max_message: 65_536, max_record: 16_384 };
      const constants = { OWED_PONG: 0.1 };
      const told = pythonClient(proxy.port, { do: 'sleep', seconds: 2, options, constants });
      const client = await accepted;
      const sent = Promise.all(Array.from({ length: 10 }, () => client.send(new Uint8Array(65_000))));
      await moreToServer(proxy); // the first PONG: the handshake has passed
      const before = proxy.passed.toServer;
      const pongs = (): number => proxy.passed.toServer - before;
      await expect.poll(pongs).toBeGreaterThanOrEqual(5 * RECORD);
      expect(pongs() % RECORD).toBe(0);
      await sent;
      await client.close();
      expect(await told).toMatchObject({ rest: 10, close_code: 0 });
    });

    it('a Python end that only receives says now and then that it does (R6.3)', async () => {
      await using server = await startListening('sealed', { pingInterval: 0 });
      const accepted = server.accept();
      await using proxy = await FaultProxy.listen(portOf(server));
      const told = pythonClient(proxy.port, { do: 'listen', constants: { OWED_PONG: 0.2 } });
      const client = await accepted;
      const before = proxy.passed.toServer;
      const pongs = (): number => proxy.passed.toServer - before;
      let sent = 0;
      while (pongs() < 2 * RECORD) {
        await client.send(new Uint8Array(100));
        sent++;
        await pause(50);
      }
      expect(pongs() % RECORD).toBe(0);
      await pause(500);
      const settled = pongs();
      await client.send(new Uint8Array(1));
      await expect.poll(pongs).toBeGreaterThanOrEqual(settled + RECORD);
      await pause(500);
      // for the record, though it is short: one for its header, which is read first, and one for the rest
      expect([RECORD, 2 * RECORD]).toContain(pongs() - settled);
      await client.close();
      expect(await told).toMatchObject({ rest: sent + 1, close_code: 0 });
    });

    const options = { ping_interval: 0.2, ping_timeout: 2 };

    it('a Python end asks for some, and takes an answer for one', async () => {
      await using server = await startListening('sealed', { pingInterval: 0 });
      const accepted = server.accept();
      const told = pythonClient(server, { do: 'listen', options });
      const client = await accepted;
      await pause(3000);
      await client.close();
      expect(await told).toMatchObject({ rest: 0, close_code: 0 });
    });

    it('and takes a peer that gives none for dead', async () => {
      await using server = await startListening('sealed', { pingInterval: 0 });
      const accepted = server.accept();
      await using proxy = await FaultProxy.listen(portOf(server));
      const told = pythonClient(proxy.port, { do: 'listen', options });
      const client = await accepted;
      await moreToServer(proxy); // it has asked once
      proxy.break('blackhole');
      expect((await told).code).toBe('PING_TIMEOUT');
      client.destroy();
    });
  });

  describe('ends', () => {
    it.each([
      [0, null],
      [1, null],
      [0x4000, null],
      [0xffff, null],
    ])('code %i of ours is an end in order to a Python peer', async (code) => {
      await using server = await startListening('sealed');
      const told = pythonClient(server, { do: 'listen' });
      const client = await server.accept();
      await client.send(Uint8Array.of(1));
      await client.close({ code });
      expect(await told).toMatchObject({ rest: 1, close_code: code });
      expect(client.closeCode).toBe(0);
    });

    it.each([
      [0, undefined],
      [1, undefined],
      [2, 'PEER_CLOSED'],
      [6, 'PEER_CLOSED'],
      [7, 'PEER_CLOSED'],
      [0x3fff, 'PEER_CLOSED'],
      [0x4000, undefined],
    ])('code %i of a Python peer is to us: %s', async (close, code) => {
      await using server = await startListening('sealed');
      const told = pythonClient(server, { do: 'leave', close });
      const client = await server.accept();
      const end = await client.recv().catch((error) => error.code);
      expect(end).toBe(code ?? null);
      await client.close();
      expect(await told).toMatchObject({ close_code: 0 });
    });

    it('what an end has sent before its end arrives, and the other half goes on', async () => {
      const peer = await pythonServer({ do: 'ask' });
      const client = await connectTo(peer, { allowHalfOpen: true });
      for (const size of sizes) {
        expectContent(await client.recv(), 'python', size);
        await client.send(content('python', size));
      }
      expect(await client.recv()).toBeNull();
      for (let i = 0; i < 100; i++) await client.send(content('more', 50_000));
      await client.close();
      expect(await peer.next()).toMatchObject({ right: sizes.length, rest: 100, close_code: 0 });
      await expectEnd(peer);
    });

    it.each(['half-close', 'reset'] as const)('a cut is none: %s', async (by) => {
      await using server = await startListening('sealed');
      const accepted = server.accept();
      await using proxy = await FaultProxy.listen(portOf(server));
      const told = pythonClient(proxy.port, { do: 'echo' });
      const client = await accepted;
      await client.send(Uint8Array.of(1));
      expect(await client.recv()).toEqual(Uint8Array.of(1));
      proxy.break(by);
      client.destroy();
      expect(await told).toMatchObject({ code: 'TRUNCATED' });
    });

    it('a message longer than the peer takes is not sent', async () => {
      await using server = await startListening('sealed', { maxMessage: 5000 });
      const accepted = server.accept();
      const told = await pythonClient(server, { do: 'too_much', size: 5001 });
      expect(told).toMatchObject({ code: 'MESSAGE_TOO_BIG_FOR_PEER' });
      expect(await (await accepted).recv()).toBeNull();
      const peer = await pythonServer({ do: 'listen', options: { max_message: 2000 } });
      const client = await connectTo(peer);
      expect(await rejection(client.send(new Uint8Array(2001)))).toMatchObject({
        code: 'MESSAGE_TOO_BIG_FOR_PEER',
      });
      await client.close();
      expect(await peer.next()).toMatchObject({ rest: 0 });
      await expectEnd(peer);
    });
  });
});
