import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { SecureClient } from 'secure-sockets';
import { describe, expect, test } from 'vitest';
import { portOf as portOfServer } from '../helpers/sockets.js';
import { outward, startSealedServer } from './bridges.js';
import { portOf } from './command.js';
import { plainClient, usePlace } from './place.js';

// Many classic clients that come to a bridge at once.

const place = usePlace();

describe('bridge outward', () => {
  test('makes no more handshakes at a time than a server takes from one address', async () => {
    const [gate, open] = held();
    let waiting = 0;
    const verifyClient = async (): Promise<boolean> => {
      waiting++;
      await gate;
      return true;
    };
    const server = await startSealedServer(place, echo, { verifyClient });
    const port = await portOf(outward(place, portOfServer(server)));
    const clients = await Promise.all(Array.from({ length: 60 }, () => connect(port)));
    await expect.poll(() => waiting, { timeout: 10_000 }).toBeGreaterThanOrEqual(24);
    // for those that should not come
    await sleep(300);
    expect(waiting).toBe(24);
    open();
    expect(await Promise.all(clients.map(exchange))).toEqual(new Array(60).fill(1));
  });

  test('turns none away that it has room for', async () => {
    const server = await startSealedServer(place, echo);
    const port = await portOf(outward(place, portOfServer(server)));
    // a classic server speaks first: one that is turned away hears nothing
    const heard = Array.from({ length: 300 }, async () => {
      const socket = plainClient(port);
      await Promise.race(['data', 'end', 'close'].map((name) => once(socket, name)));
      return socket.bytesRead > 0;
    });
    expect((await Promise.all(heard)).filter(Boolean)).toHaveLength(300);
    expect(await exchange(await connect(port))).toBe(1);
  });
});

async function echo(client: SecureClient): Promise<void> {
  for await (const message of client) await client.send(message);
  await client.end();
}

async function connect(port: number): Promise<SecureClient> {
  const client = new SecureClient({ protocol: 'classic', allowHalfOpen: true });
  place.undo.push(() => client.destroy());
  await client.connect({ host: '127.0.0.1', port });
  return client;
}

/** The length of the answer. */
async function exchange(client: SecureClient): Promise<number | undefined> {
  await client.send(new Uint8Array(1));
  return (await client.recv())?.length;
}

/** A promise and what resolves it. */
function held(): [Promise<void>, () => void] {
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  return [gate, open];
}
