import { randomBytes } from 'node:crypto';
import { MessageChannel, Worker } from 'node:worker_threads';
import { messagePort, SecureSocketError } from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { clientOf, protocols, startListening } from './helpers/sockets.js';
import { record } from './helpers/transport-log.js';

describe('messagePort()', () => {
  it('refuses what is no port', () => {
    for (const wrong of [null, {}, 'port']) expect(() => messagePort(wrong as never)).toThrow(TypeError);
  });

  it('says what to do with a Worker of node:worker_threads, which has no events of the web', async () => {
    const worker = new Worker('', { eval: true });
    expect(() => messagePort(worker as never)).toThrow('send it one port of a MessageChannel');
    await worker.terminate();
  });

  it.each([
    ['text', 'hello'],
    ['an object', { bytes: [1] }],
    ['an acknowledgement of what was not sent', 1],
    ['one of nothing', 0],
    ['one of less', -5],
    ['none of an end', 'end taken'],
  ])('refuses %s', async (_, message) => {
    const { port1, port2 } = new MessageChannel();
    const log = record(messagePort(port1));
    port2.postMessage(message);
    await expect.poll(() => log.error?.code).toBe('PROTOCOL');
    expect(log.error).toBeInstanceOf(SecureSocketError);
  });

  it('is bounded against a peer that does not wait', async () => {
    const { port1, port2 } = new MessageChannel();
    const transport = messagePort(port1, { maxReadAhead: 65_536 });
    const log = record(transport);
    transport.pause();
    for (let i = 0; i < 10; i++) port2.postMessage(new Uint8Array(10_000));
    await expect.poll(() => log.error?.code).toBe('BUFFER_LIMIT');
  });

  it('is bounded against one whose bytes are views of much larger memory', async () => {
    const { port1, port2 } = new MessageChannel();
    const transport = messagePort(port1, { maxReadAhead: 65_536 });
    const held: Uint8Array[] = [];
    const events = { end: () => {}, written: () => {}, close: () => {} };
    transport.start({ ...events, data: (bytes) => void held.push(bytes) });
    for (const act of ['pause', 'resume'] as const) {
      transport[act]();
      for (let i = 0; i < 3; i++) port2.postMessage(new Uint8Array(new ArrayBuffer(1_000_000), 1, 2));
    }
    await expect.poll(() => held.length).toBe(6);
    expect(held.map(({ buffer }) => buffer.byteLength)).toEqual([2, 2, 2, 2, 2, 2]);
    transport.destroy();
  });

  it.each(protocols)('carries %s', async (protocol) => {
    const server = await startListening(protocol);
    const { port1, port2 } = new MessageChannel();
    await server.attach(messagePort(port2));
    const client = clientOf(server, { protocol });
    await client.connect(messagePort(port1));
    const peer = await server.accept();
    const message = randomBytes(5_000_000);
    const sending = client.send(message);
    expect(message.equals((await peer.recv()) as Uint8Array)).toBe(true);
    await sending;
    await client.close();
    expect(await peer.recv()).toBeNull();
    await server.close();
  });
});
