import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { noble } from '../backends/noble.js';
import { pair, protocols, rejection } from './helpers/sockets.js';
import { sha256 } from './helpers/texts.js';

describe.each(protocols)('%s: a message larger than is encrypted at once', (protocol) => {
  const message = randomBytes(13 * 2 ** 20 + 5);

  it('arrives whole, between its neighbours, and its buffer is free when send() has resolved', async () => {
    await using ends = await pair(protocol);
    const { client, peer } = ends;
    const lent = Uint8Array.from(message);
    const sent = [
      client.send(Uint8Array.of(1)),
      client.send(lent).then(() => lent.fill(0)),
      client.send(Uint8Array.of(2)),
      client.end(),
    ];
    expect(await peer.recv()).toEqual(Uint8Array.of(1));
    expect(sha256((await peer.recv()) as Uint8Array)).toBe(sha256(message));
    expect(await peer.recv()).toEqual(Uint8Array.of(2));
    expect(await peer.recv()).toBeNull();
    await Promise.all(sent);
  });

  it('is finished, and those behind it are not sent, when the peer ends meanwhile', async () => {
    await using ends = await pair(protocol);
    const { client, peer } = ends;
    const sent = client.send(message);
    const behind = rejection(client.send(Uint8Array.of(2)));
    await peer.end();
    expect(sha256((await peer.recv()) as Uint8Array)).toBe(sha256(message));
    expect(await peer.recv()).toBeNull();
    await sent;
    expect(await behind).toMatchObject({ code: 'CLOSED' });
  });

  it('rejects when the connection breaks in the middle', async () => {
    await using ends = await pair(protocol);
    const { client, peer } = ends;
    const sent = rejection(client.send(message));
    peer.destroy();
    expect(await sent).toMatchObject({ code: 'TRUNCATED' });
  });

  // defence: partLength, and the rest in later turns
  it('leaves turns to others on a backend in JavaScript', async () => {
    await using ends = await pair(protocol, { client: { backend: noble } });
    const { client, peer } = ends;
    let turns = 0;
    let isOver = false;
    const turn = (): void => {
      turns++;
      if (!isOver) setImmediate(turn);
    };
    const sent = client.send(message.subarray(0, 2 ** 21));
    setImmediate(turn);
    await sent;
    isOver = true;
    // sixteen parts of 128 KiB
    expect(turns).toBeGreaterThanOrEqual(14);
    expect(((await peer.recv()) as Uint8Array).length).toBe(2 ** 21);
  });
});
