import { SecureClient, webStreams } from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { record } from './helpers/transport-log.js';

describe('webStreams()', () => {
  it('refuses what is no pair of streams, and streams in use', () => {
    for (const wrong of [null, {}, { readable: new ReadableStream() }, { readable: 1, writable: 2 }])
      expect(() => webStreams(wrong as never)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    readable.getReader();
    expect(() => webStreams({ readable, writable })).toThrow(/locked/);
  });

  it('refuses chunks that are no bytes', async () => {
    const readable = new ReadableStream({ start: (controller) => controller.enqueue('text') });
    const { writable } = new TransformStream();
    const log = record(webStreams({ readable, writable }));
    await expect.poll(() => log.error?.code).toBe('PROTOCOL');
  });

  it('takes an ArrayBuffer for bytes', async () => {
    const readable = new ReadableStream({ start: (controller) => controller.enqueue(new ArrayBuffer(7)) });
    const { writable } = new TransformStream();
    const log = record(webStreams({ readable, writable }));
    await expect.poll(log.received).toBe(7);
  });

  it('lets timers run while it is given empty chunks without end', async () => {
    let count = 0;
    const pull = (controller: ReadableStreamDefaultController): void => {
      // an end to it, should there be none otherwise
      if (++count > 1_000_000) controller.close();
      else controller.enqueue(new Uint8Array(0));
    };
    const readable = new ReadableStream({ pull }, { highWaterMark: 0 });
    const { writable } = new TransformStream();
    const client = new SecureClient({ verifyServer: () => true, handshakeTimeout: 50 });
    await expect(client.connect(webStreams({ readable, writable }))).rejects.toMatchObject({
      code: 'HANDSHAKE_TIMEOUT',
    });
  });

  it.each([
    ['an error', new Error('unplugged'), 'unplugged'],
    ['no error', 'because', 'the stream below the connection failed: because'],
  ])('ends with what the streams fail with, if that is %s', async (_, reason, message) => {
    const readable = new ReadableStream({ start: (controller) => controller.error(reason) });
    const { writable } = new TransformStream();
    const log = record(webStreams({ readable, writable }));
    await expect.poll(() => log.events).toEqual(['close']);
    expect(log.error?.message).toBe(message);
  });

  it('notices that the writing side has failed while nothing is written', async () => {
    const readable = new ReadableStream();
    let fail: (reason: unknown) => void = () => {};
    const writable = new WritableStream({
      start: (controller) => {
        fail = (reason) => controller.error(reason);
      },
    });
    const log = record(webStreams({ readable, writable }));
    fail(new Error('reset'));
    await expect.poll(() => log.error?.message).toBe('reset');
  });

  it('frees what lies below, whatever that throws', async () => {
    for (const close of [
      () => Promise.reject(new Error('late')),
      () => {
        throw new Error('at once');
      },
    ]) {
      let count = 0;
      const { readable, writable } = new TransformStream();
      const countListeners = (): unknown => {
        count++;
        return close();
      };
      const log = record(webStreams({ readable, writable }, { close: countListeners }));
      webStreams(new TransformStream());
      const transport = webStreams(new TransformStream(), { close: countListeners });
      transport.destroy();
      transport.destroy();
      expect(count).toBe(1);
      expect(log.events).toEqual([]);
    }
  });
});
