import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { pair, pause } from './helpers/sockets.js';

const impatient = { closeTimeout: 150 };

// in classic the end of the stream between two messages is an end in order
describe('a stream over sealed whose peer is gone', () => {
  const connectPair = (): ReturnType<typeof pair> => pair('sealed', { server: impatient, client: impatient });

  // defence: a stream that is not read from learns of the end too
  it.each(['client', 'peer'] as const)('is destroyed even if it is not read: %s', async (end) => {
    await using ends = await connectPair();
    const other = end === 'client' ? ends.peer : ends.client;
    const stream = ends[end].toDuplex();
    await other.send(new Uint8Array(100));
    await pause(30);
    other.destroy();
    const [error] = (await once(stream, 'error')) as [{ code?: string }];
    expect(error.code).toBe('TRUNCATED');
    expect(stream.destroyed).toBe(true);
  });

  it('closes without an error where no one listens for one', async () => {
    await using ends = await connectPair();
    const stream = ends.peer.toDuplex();
    ends.client.destroy();
    await new Promise((resolve) => stream.once('close', resolve));
    expect(stream.errored).toBeNull();
  });

  it('lets a pipe to a target without room go', async () => {
    await using ends = await connectPair();
    const target = new WritableStream<Uint8Array>({}, { highWaterMark: 0 });
    const piping = ends.peer.readable.pipeTo(target).catch((error: { code?: string }) => error.code);
    await ends.client.send(new Uint8Array(100));
    await pause(30);
    ends.client.destroy();
    expect(await piping).toBe('TRUNCATED');
  });

  it('gives a slow reader everything first', async () => {
    await using ends = await connectPair();
    for (let i = 0; i < 8; i++) await ends.client.send(new Uint8Array(20_000).fill(i));
    await pause(50);
    ends.client.destroy();
    let received = 0;
    const reading = (async () => {
      for await (const chunk of ends.peer.toDuplex()) {
        received += (chunk as Uint8Array).length;
        await pause(100);
      }
    })();
    await expect(reading).rejects.toMatchObject({ code: 'TRUNCATED' });
    expect(received).toBe(160_000);
  });
});
