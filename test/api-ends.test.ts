import { SecureClient } from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { bytes, text } from './helpers/api-values.js';
import { keep } from './helpers/kept.js';
import { clientOf, pair, pause, protocols, rejection, startListening } from './helpers/sockets.js';

describe.each(protocols)('%s', (protocol) => {
  describe('closed', () => {
    it('tells an end in order, with the code', async () => {
      const { client, peer } = keep(await pair(protocol));
      const code = protocol === 'sealed' ? 17_000 : 0;
      const ends = [client.closed, peer.closed];
      await peer.close({ code });
      const [mine, theirs] = await Promise.all(ends);
      expect(mine).toEqual({ error: undefined, closeCode: code });
      expect(theirs).toEqual({ error: undefined, closeCode: 0 });
      expect(await client.closed).toBe(mine);
    });

    it('tells a program that only sends of a cut, asked before or after', async () => {
      const { client, peer } = keep(await pair(protocol));
      peer.destroy();
      const end = await client.closed;
      // classic does not tell a cut between messages from an end
      if (protocol === 'sealed') expect(end).toEqual({ error: expect.any(Error), closeCode: undefined });
      expect(await client.closed).toBe(end);
      const late = await peer.closed;
      expect(late.error).toMatchObject({ code: 'CLOSED' });
    });

    it('tells what destroy() was given', async () => {
      const { client } = keep(await pair(protocol));
      const reason = new Error('enough');
      client.destroy(reason);
      expect((await client.closed).error).toBe(reason);
    });

    it('waits for a connection yet to be made, or for the client to be given up', async () => {
      const server = keep(await startListening(protocol));
      const client = clientOf(server, { protocol });
      const { closed } = client;
      expect(await Promise.race([closed, pause(20).then(() => 'pending')])).toBe('pending');
      await client.connect(server.address);
      await (await server.accept()).close();
      expect(await closed).toEqual({ error: undefined, closeCode: 0 });
      const unused = clientOf(server, { protocol });
      const before = unused.closed;
      await unused.close();
      expect(await before).toEqual({ error: undefined, closeCode: undefined });
      const reason = new Error('never mind');
      const dropped = clientOf(server, { protocol });
      const { closed: given } = dropped;
      dropped.destroy(reason);
      expect((await given).error).toBe(reason);
      const asked = clientOf(server, { protocol });
      asked.destroy();
      expect(await asked.closed).toMatchObject({ closeCode: undefined });
    });
  });

  describe('signal of send()', () => {
    const options = { client: { highWaterMark: 100_000, maxSendQueue: 20_000_000 } };

    it('sends nothing once aborted', async () => {
      const { client, peer } = keep(await pair(protocol));
      const reason = new Error('too late');
      const sent = client.send(bytes('not this'), { signal: AbortSignal.abort(reason) });
      expect(await rejection(sent)).toBe(reason);
      await client.send(bytes('this'), { signal: new AbortController().signal });
      expect(text(await peer.recv())).toBe('this');
    });

    it('takes back a message that waits, and no other', async () => {
      const { client, peer } = keep(await pair(protocol, options));
      const blocked = client.send(new Uint8Array(8_000_000));
      const controller = new AbortController();
      const first = client.send(bytes('first'));
      const second = client.send(bytes('second'), { signal: controller.signal });
      const third = client.send(bytes('third'));
      controller.abort();
      expect((await rejection(second)).name).toBe('AbortError');
      const received: string[] = [];
      for (let i = 0; i < 3; i++) received.push(text(await peer.recv()).slice(0, 6));
      expect(received.slice(1)).toEqual(['first', 'third']);
      await Promise.all([blocked, first, third]);
      await client.end();
      expect(await peer.recv()).toBeNull();
    });

    it('gives the room back that the message took', async () => {
      const { client } = keep(
        await pair(protocol, { client: { highWaterMark: 100_000, maxSendQueue: 12_000_000 } }),
      );
      void client.send(new Uint8Array(8_000_000));
      for (let i = 0; i < 20; i++) {
        const controller = new AbortController();
        const sent = client.send(new Uint8Array(3_000_000), { signal: controller.signal });
        controller.abort();
        expect((await rejection(sent)).name).toBe('AbortError');
      }
    });

    it('ends the wait for room too, and the message arrives', async () => {
      const { client, peer } = keep(await pair(protocol, options));
      const controller = new AbortController();
      const sent = client.send(new Uint8Array(300_000), { signal: controller.signal });
      await pause(1);
      controller.abort();
      await sent.catch((error) => expect(error.name).toBe('AbortError'));
      expect((await peer.recv())?.length).toBe(300_000);
    });

    it('leaves no listener behind', async () => {
      const { client, peer } = keep(await pair(protocol));
      const controller = new AbortController();
      let count = 0;
      const { signal } = controller;
      const [add, remove] = [signal.addEventListener, signal.removeEventListener];
      signal.addEventListener = (...args: unknown[]) => {
        count++;
        add.apply(signal, args as never);
      };
      signal.removeEventListener = (...args: unknown[]) => {
        count--;
        remove.apply(signal, args as never);
      };
      for (let i = 0; i < 10; i++) {
        await client.send(bytes('x'), { signal });
        await peer.recv({ signal });
      }
      await client.close({ signal });
      expect(count).toBe(0);
    });
  });

  describe('close()', () => {
    it('says that the peer has received everything and ended in order', async () => {
      const { client, peer } = keep(await pair(protocol));
      const messages = Array.from({ length: 20 }, () => new Uint8Array(100_000));
      for (const message of messages) await client.send(message);
      const closed = client.close();
      for (const _ of messages) expect((await peer.recv())?.length).toBe(100_000);
      expect(await closed).toEqual({ error: undefined, closeCode: 0 });
      expect(await client.close()).toBe(await client.closed);
    });

    it('says that the last messages may be lost, when the peer does not take them', async () => {
      const { client } = keep(await pair(protocol, { client: { closeTimeout: 300 } }));
      // more than the peer and the system hold for a program that does not read
      for (let i = 0; i < 20; i++) void client.send(new Uint8Array(2_000_000)).catch(() => {});
      expect((await client.close()).error).toMatchObject({ code: 'TRUNCATED' });
    });

    it('of a client that has no connection has nothing to say', async () => {
      expect(await new SecureClient().close()).toEqual({ error: undefined, closeCode: undefined });
    });
  });

  describe('signal of close()', () => {
    it('ends the wait for a peer that does not end', async () => {
      const { client, peer } = keep(
        await pair(protocol, { server: { allowHalfOpen: true }, client: { closeTimeout: 20_000 } }),
      );
      const begun = performance.now();
      const reason = new Error('waited enough');
      const controller = new AbortController();
      setTimeout(() => controller.abort(reason), 50);
      expect(await rejection(client.close({ signal: controller.signal }))).toBe(reason);
      expect(performance.now() - begun).toBeLessThan(5000);
      expect((await client.closed).error).toBe(reason);
      peer.destroy();
    });

    it('destroys at once if it is aborted already', async () => {
      const { client } = keep(await pair(protocol, { server: { allowHalfOpen: true } }));
      const reason = new Error('no time');
      expect(await rejection(client.close({ signal: AbortSignal.abort(reason) }))).toBe(reason);
      await client.closed;
    });
  });
});
