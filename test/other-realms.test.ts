import { runInNewContext } from 'node:vm';
import { SecureServer, webStreams } from 'secure-sockets';
import { describe, expect, it } from 'vitest';

// A test runner may give each test file globals of its own: what a program makes there is of another class.

describe('of another realm', () => {
  it('keys for tickets are taken', () => {
    const key: Uint8Array = runInNewContext('new Uint8Array(32)');
    expect(key).not.toBeInstanceOf(Uint8Array);
    expect(() => new SecureServer({ ticketKeys: [key] })).not.toThrow();
  });

  it('memory is taken for a chunk of a stream', async () => {
    const chunk = runInNewContext('new ArrayBuffer(3)');
    const readable = new ReadableStream({
      start: (controller) => controller.enqueue(chunk),
    });
    const received = new Promise((resolve, reject) => {
      const nothing = (): void => {};
      const events = { data: resolve, end: nothing, written: nothing, close: reject };
      webStreams({ readable, writable: new WritableStream() }).start(events);
    });
    expect(await received).toHaveLength(3);
  });
});
