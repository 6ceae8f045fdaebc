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

  // short ones are read ahead, up to the stream's high-water mark
  it.each([20_000, 1000])('gives a slow reader everything first: messages of %i bytes', async (length) => {
    const patient = { closeTimeout: 600 };
    await using ends = await pair('sealed', { server: patient, client: patient });
    for (let i = 0; i < 8; i++) await ends.client.send(new Uint8Array(length).fill(i));
    await pause(50);
    ends.client.destroy();
    let received = 0;
    const reading = (async () => {
      for await (const chunk of ends.peer.toDuplex()) {
        received += (chunk as Uint8Array).length;
        await pause(150);
      }
    })();
    await expect(reading).rejects.toMatchObject({ code: 'TRUNCATED' });
    expect(received).toBe(8 * length);
  });

  it('gives a late reader what was read ahead, however it reads', async () => {
    const patient = { closeTimeout: 20_000 };
    await using ends = await pair('sealed', { server: patient, client: patient });
    const stream = ends.peer.toDuplex();
    const errors: unknown[] = [];
    stream.on('error', (error) => errors.push(error));
    stream.on('readable', () => {});
    for (let i = 0; i < 8; i++) await ends.client.send(new Uint8Array(1000).fill(i));
    while (stream.readableLength < 8000) await pause(5);
    ends.client.destroy();
    await ends.peer.closed;
    await pause(20);
    expect((stream.read(3000) as Uint8Array).length).toBe(3000);
    // whatever waits, or as Node 26 does the first chunk of it
    let received = 3000;
    while (stream.readableLength > 0) received += (stream.read() as Uint8Array).length;
    expect(received).toBe(8000);
    await new Promise((resolve) => stream.once('close', resolve));
    expect(errors).toMatchObject([{ code: 'TRUNCATED' }]);
  });
});
