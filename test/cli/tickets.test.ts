import { once } from 'node:events';
import { SecureClient, type SecureServer } from 'secure-sockets';
import { expect, test } from 'vitest';
import { portOf as portOfServer } from '../helpers/sockets.js';
import { outward, startSealedServer } from './bridges.js';
import { portOf } from './command.js';
import { plainClient, tunnelClient, usePlace } from './place.js';

// The parts of the command that connect to one server again and again resume.

const place = usePlace();

/** A server that greets its clients, and which of them were resumed. */
async function greeter(): Promise<{ server: SecureServer; resumed: boolean[] }> {
  const resumed: boolean[] = [];
  const server = await startSealedServer(place, async (client) => {
    resumed.push(client.resumed);
    await client.send(Buffer.from('welcome'));
    await client.recv();
  });
  return { server, resumed };
}

test('a tunnel client resumes from its second connection on', async () => {
  const { server, resumed } = await greeter();
  const { port } = await tunnelClient(portOfServer(server), ['--carriers', '0']);
  for (let i = 0; i < 3; i++) {
    const socket = plainClient(port);
    expect(String((await once(socket, 'data'))[0])).toBe('welcome');
    socket.destroy();
  }
  expect(resumed).toEqual([false, true, true]);
  expect(server.stats.privateKeyOperations).toBe(1);
});

test('bridge outward does as well', async () => {
  const { server, resumed } = await greeter();
  const running = outward(place, portOfServer(server));
  for (let i = 0; i < 3; i++) {
    const client = new SecureClient({ protocol: 'classic' });
    await client.connect({ host: '127.0.0.1', port: await portOf(running) });
    expect(String(Buffer.from((await client.recv()) as Uint8Array))).toBe('welcome');
    client.destroy();
  }
  expect(resumed).toEqual([false, true, true]);
  expect(server.stats.privateKeyOperations).toBe(1);
});
