import { connect } from 'node:net';
import { SecureServer } from 'secure-sockets';
import { expect, it } from 'vitest';
import { node } from '../backends/node.js';
import { encodeClientHello } from '../src/core/sealed/messages.js';
import { suiteIds } from '../src/core/sealed/suites.js';
import { HandshakeTurns } from '../src/handshake-turns.js';
import { identityFor, pause } from './helpers/sockets.js';

/** Computes for so many milliseconds. */
function compute(milliseconds: number): void {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}

/** In which turn of the event loop each of so many steps runs that take so long, all of them asked for at once. */
async function turnsOf(count: number, milliseconds: number): Promise<number[]> {
  const handshakes = new HandshakeTurns();
  const turns: number[] = [];
  let turn = 0;
  const next = (): void => {
    turn++;
    if (turns.length < count) setImmediate(next);
  };
  setImmediate(next);
  await new Promise<void>((resolve) => {
    for (let i = 0; i < count; i++) {
      handshakes.wait(() => {
        compute(milliseconds);
        turns.push(turn);
        if (turns.length === count) resolve();
      });
    }
    expect(turns).toEqual([]);
  });
  return turns;
}

it('a step of a handshake that takes long has a turn of the event loop to itself', async () => {
  const turns = await turnsOf(20, 0.3);
  expect(new Set(turns).size).toBe(20);
});

it('short ones share it, and all have theirs in order', async () => {
  const handshakes = new HandshakeTurns();
  const order: number[] = [];
  await new Promise<void>((resolve) => {
    for (let i = 0; i < 1000; i++) {
      handshakes.wait(() => {
        order.push(i);
        // one that is asked for meanwhile comes last
        if (i === 0) handshakes.wait(resolve);
      });
    }
  });
  expect(order).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  expect(new Set(await turnsOf(100, 0)).size).toBeLessThan(50);
});

// defence: HandshakeTurns, and that Intake gives it to its connections
it('what strangers send in one turn of the event loop is not all dealt with in one', async () => {
  await using server = new SecureServer({ identity: await identityFor('sealed') });
  await server.listen({ port: 0, host: '127.0.0.1' });
  const { port } = server.address as { port: number };
  const hello = encodeClientHello({
    ...{ random: new Uint8Array(32), x25519: node.x25519().publicKey },
    ...{ suites: [suiteIds.X25519], kemKey: new Uint8Array(0) },
  });
  const sockets = Array.from({ length: 16 }, () => connect(port, '127.0.0.1').pause());
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
  await pause(50);
  const written = (): number => server.stats.bytesWritten;
  for (const socket of sockets) socket.write(hello);
  // all of it is there before the event loop looks
  compute(50);
  expect(written()).toBe(0);
  const amounts: number[] = [];
  while (amounts.length < 2 || amounts.at(-1) !== amounts.at(-2) || amounts.at(-1) === 0) {
    amounts.push(written());
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (const socket of sockets) socket.destroy();
  // none, and then a few answers more in each turn
  expect(new Set(amounts).size).toBeGreaterThan(4);
});
