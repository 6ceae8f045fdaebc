import { duplexPair } from 'node:stream';
import { fromDuplex, SecureServer, type Transport } from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { clientOf, identityFor, protocols } from './helpers/sockets.js';

/** A transport that keeps how many bytes each write had. */
function countWrites(transport: Transport): { transport: Transport; writes: number[] } {
  const writes: number[] = [];
  const counting = new Proxy(transport, {
    get(target, name) {
      if (name === 'write') {
        return (chunks: readonly Uint8Array[]) => {
          writes.push(chunks.reduce((sum, { length }) => sum + length, 0));
          target.write(chunks);
        };
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { transport: counting, writes };
}

describe.each(protocols)('%s: what leaves in one write', (protocol) => {
  it.each([
    ['a message of 1 MiB, to its last byte', 2 ** 20, 1],
    ['sixteen of 64 KiB', 2 ** 16, 16],
    ['a thousand of 100 bytes', 100, 1000],
  ])('%s', async (_, size, count) => {
    const server = new SecureServer({ protocol, identity: await identityFor(protocol), closeTimeout: 300 });
    const [near, far] = duplexPair();
    await server.attach(fromDuplex(far));
    const { transport, writes } = countWrites(fromDuplex(near));
    const client = clientOf(server, { protocol, closeTimeout: 300 });
    await client.connect(transport);
    const peer = await server.accept();
    writes.length = 0;
    const sent = Array.from({ length: count }, () => client.send(new Uint8Array(size)));
    for (let i = 0; i < count; i++) expect((await peer.recv())?.length).toBe(size);
    await Promise.all(sent);
    expect(writes.length).toBe(1);
    expect(writes[0]).toBeGreaterThan(size * count);
    client.destroy();
    await server.close({ timeout: 100 });
  });
});
