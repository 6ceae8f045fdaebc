import { connect } from 'node:net';
import { SecureServer } from 'secure-sockets';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { node } from '../../backends/node.js';
import { HandshakeScheduler } from '../../src/connection/handshake-scheduler.js';
import { encodeClientHello } from '../../src/core/sealed/messages.js';
import { suites } from '../../src/core/sealed/suites.js';

import { identityFor } from '../helpers/sockets.js';

/** What the clock shows, in milliseconds: it goes on by what is computed here, and by nothing else. */
let now = 0;
beforeEach(() => {
  now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** In which turn of the event loop each of so many steps runs that take so long, while others compute in each turn. */
async function turnsOf(count: number, milliseconds: number, others = 0): Promise<number[]> {
  const handshakes = new HandshakeScheduler();
  const turns: number[] = [];
  let turn = 0;
  const next = (): void => {
    turn++;
    now += others;
    if (turns.length < count) setImmediate(next);
  };
  await new Promise<void>((resolve) => {
    for (let i = 0; i < count; i++) {
      handshakes.wait(() => {
        now += milliseconds;
        turns.push(turn);
        if (turns.length === count) resolve();
      });
    }
    setImmediate(next);
    expect(turns).toEqual([]);
  });
  return turns;
}

const countEach = (turns: readonly number[]): number[] =>
  [...new Set(turns)].map((turn) => turns.filter((each) => each === turn).length);

it('a step of a handshake that takes long has a turn of the event loop to itself', async () => {
  expect(countEach(await turnsOf(20, 0.3))).toEqual(new Array(20).fill(1));
});

it('shorter ones share it', async () => {
  expect(countEach(await turnsOf(9, 0.1))).toEqual([3, 3, 3]);
});

it('if others take long, handshakes have a fifth of the time they have waited', async () => {
  // before the first turn nothing else has run
  expect(countEach(await turnsOf(21, 0.5, 5))).toEqual([1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
});

it('all have their turn in order, and one that is asked for meanwhile comes last', async () => {
  const handshakes = new HandshakeScheduler();
  const order: number[] = [];
  await new Promise<void>((resolve) => {
    for (let i = 0; i < 1000; i++) {
      handshakes.wait(() => {
        now += 0.01;
        order.push(i);
        if (i === 0) handshakes.wait(resolve);
      });
    }
  });
  expect(order).toEqual(Array.from({ length: 1000 }, (_, i) => i));
});

// defence: HandshakeScheduler, and that ConnectionAcceptor gives it to its connections
it('what unauthenticated clients send in one turn of the event loop is not all handled in one', async () => {
  await using server = new SecureServer({ identity: await identityFor('sealed') });
  await server.listen({ port: 0, host: '127.0.0.1' });
  const { port } = server.address as { port: number };
  const hello = encodeClientHello({
    ...{ random: new Uint8Array(32), x25519: node.x25519().publicKey },
    ...{ suites: [suites.X25519.id], kemKey: new Uint8Array(0) },
  });
  const sockets = Array.from({ length: 16 }, () => connect(port, '127.0.0.1').pause());
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
  await expect.poll(() => server.stats.pending).toBe(16);
  const countWritten = (): number => server.stats.bytesWritten;
  for (const socket of sockets) socket.write(hello);
  // all of it is there before the event loop looks, and each step takes long
  vi.spyOn(performance, 'now').mockImplementation(() => now++);
  expect(countWritten()).toBe(0);
  const amounts: number[] = [];
  while (amounts.length < 2 || amounts.at(-1) !== amounts.at(-2) || amounts.at(-1) === 0) {
    amounts.push(countWritten());
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (const socket of sockets) socket.destroy();
  // none, and then a few answers more in each turn
  expect(new Set(amounts).size).toBeGreaterThan(4);
});
