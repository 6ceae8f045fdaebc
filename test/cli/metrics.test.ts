import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { SecureClient } from 'secure-sockets';
import { expect, test } from 'vitest';
import { portOf as portOfServer } from '../helpers/sockets.js';
import { outward, startSealedServer } from './bridges.js';
import { portOf } from './command.js';
import { begin, echo, plainClient, plainServer, tunnelClient, tunnelTo, usePlace } from './place.js';

// `--metrics` of tunnel and bridge.

const place = usePlace();

test('a tunnel tells at both ends what it carries, lost and refused, and whether it is well', async () => {
  const target = await plainServer((socket) => {
    socket.write('welcome');
    socket.on('data', () => socket.end());
  });
  const flags = ['--metrics', '127.0.0.1:0', '--max-connections', '2'];
  const { port, serverPort, client, server } = await tunnelTo(target, { client: flags, server: flags });
  const [ofClient, ofServer] = [await addressOf(client), await addressOf(server)];
  const first = plainClient(port);
  await once(first, 'data');
  first.end('bye');
  await once(first.resume(), 'close');
  const open = plainClient(port);
  await once(open, 'data');
  const unauthorized = await tunnelClient(serverPort, []);
  await expect(text(plainClient(unauthorized.port))).rejects.toThrow();
  await expect.poll(() => metrics(ofServer)).toMatch(/^secure_sockets_connections_total 1$/m);
  const told = await metrics(ofServer);
  for (const line of [
    'secure_sockets_connections_open 1',
    'secure_sockets_handshakes_total 1',
    'secure_sockets_sealed_connections_open 1',
    'secure_sockets_rejected_total{code="UNAUTHORIZED_CLIENT"} 1',
    '# TYPE secure_sockets_rejected_total counter',
  ])
    expect(told.split('\n')).toContain(line);
  expect(told).toMatch(/^secure_sockets_event_loop_delay_seconds\{quantile="0.99"\} \d/m);
  expect(told).toMatch(/^secure_sockets_received_bytes_total [1-9]/m);
  expect(await metrics(ofClient)).toMatch(/^secure_sockets_connections_open 1$/m);
  // every line is one that Prometheus can read
  for (const line of told.trimEnd().split('\n'))
    expect(line).toMatch(/^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="[^"]*"\})? [\d.e-]+)$/);
  expect(await (await fetch(`${ofServer}/healthz`)).text()).toBe('ok\n');
  expect((await fetch(`${ofServer}/other`)).status).toBe(404);
  expect((await fetch(`${ofServer}/metrics`, { method: 'POST' })).status).toBe(405);
  const stopped = server.stop();
  await expect.poll(async () => (await fetch(`${ofServer}/healthz`)).status).toBe(503);
  open.destroy();
  expect(await stopped).toMatchObject({ code: 0 });
});

test('a tunnel client tells of the connections that it opens, also when they are closed', async () => {
  const target = await plainServer((socket) => socket.pipe(socket));
  const { port, serverPort, client, server } = await tunnelTo(target, {
    client: ['--metrics', '127.0.0.1:0'],
  });
  const address = await addressOf(client);
  const open = plainClient(port);
  open.write('x'.repeat(5000));
  await once(open, 'data');
  await tells(address, [
    'outgoing_handshakes_total{resumed="false"} 1',
    'outgoing_handshakes_total{resumed="true"} 0',
    'outgoing_handshakes_pending 0',
    'outgoing_connections_open 1',
    'streams_open 1',
  ]);
  const flags = ['--identity', 'client.pem', '--carriers', '0', '--metrics', '127.0.0.1:0'];
  const each = await tunnelClient(serverPort, flags);
  const ofEach = await addressOf(each.running);
  for (const word of ['one', 'two']) {
    expect(await echo(each.port, word)).toBe(word);
    await tells(ofEach, ['outgoing_connections_open 0']);
  }
  await tells(ofEach, [
    'outgoing_handshakes_total{resumed="false"} 1',
    'outgoing_handshakes_total{resumed="true"} 1',
    'streams_open 0',
  ]);
  await server.stop('SIGKILL');
  await tells(address, ['outgoing_connections_open 0', 'streams_open 0']);
  await expect(echo(port, 'lost')).rejects.toThrow();
  await tells(address, ['outgoing_failed_total{code="ECONNREFUSED"} 1', 'outgoing_handshakes_pending 0']);
  for (const way of ['received', 'sent']) {
    const [, bytes] = new RegExp(`_outgoing_${way}_bytes_total (\\d+)`).exec(await metrics(address)) ?? [];
    expect(Number(bytes)).toBeGreaterThan(5000);
  }
});

test('a bridge tells of both its sides', async () => {
  const server = await startSealedServer(place, async (client) => {
    for await (const message of client) await client.send(message);
  });
  const bridge = outward(place, portOfServer(server), '--metrics', '127.0.0.1:0');
  const client = new SecureClient({ protocol: 'classic' });
  place.undo.push(() => client.destroy());
  await client.connect({ host: '127.0.0.1', port: await portOf(bridge) });
  await client.send(new Uint8Array(100));
  expect(await client.recv()).toHaveLength(100);
  await tells(await addressOf(bridge), [
    'handshakes_total 1',
    'outgoing_handshakes_total{resumed="false"} 1',
    'outgoing_connections_open 1',
  ]);
});

test('the delay of an idle event loop is not the time between two looks at it', async () => {
  const keys = ['--identity', 'server.pem', '--any-client'];
  const flags = ['--metrics', '127.0.0.1:0'];
  const server = begin('tunnel', 'server', ...keys, ...flags, '127.0.0.1:0', '127.0.0.1:9');
  const address = await addressOf(server);
  const delay = async (): Promise<number> =>
    Number(/event_loop_delay_seconds\{quantile="0.5"\} (\S+)/.exec(await metrics(address))?.[1]);
  await expect.poll(delay, { timeout: 20_000, interval: 200 }).toBeLessThan(0.018);
});

test('connections that ask for nothing, or slowly, do not keep a scraper out for long', async () => {
  const keys = ['--identity', 'server.pem', '--any-client'];
  const server = begin('tunnel', 'server', ...keys, '--metrics', '127.0.0.1:0', '127.0.0.1:0', '127.0.0.1:9');
  const address = await addressOf(server);
  const silent = Array.from({ length: 32 }, (_, i) => {
    const socket = plainClient(Number(new URL(address).port));
    if (i % 2 === 0) socket.write('GET /metrics HTTP/1.1\r\nhost: x\r\n');
    return once(socket.resume(), 'end');
  });
  const begun = performance.now();
  await Promise.all(silent);
  // 30 s if they are looked at as Node does by default
  expect(performance.now() - begun).toBeLessThan(20_000);
  expect((await fetch(`${address}/metrics?from=a+scraper`)).status).toBe(200);
}, 60_000);

test.each([':0', '0.0.0.0:0', '[::]:0', '192.0.2.1:9100'])(
  '%s is refused, unless --metrics-public is given',
  async (address) => {
    const keys = ['--identity', 'server.pem', '--any-client'];
    const { code, stderr } = await begin(
      'tunnel',
      'server',
      ...keys,
      '--metrics',
      address,
      '127.0.0.1:0',
      '127.0.0.1:9',
    ).ended;
    expect(stderr).toMatch(/can be reached from other machines\nhint: .*--metrics-public/);
    expect(stderr).not.toContain('listening at');
    expect(code).toBe(2);
    expect(place.folder).not.toBe('');
  },
);

test.each(['[::1]:0', 'localhost:0', '127.0.0.2:0'])('%s is local', async (address) => {
  const keys = ['--identity', 'server.pem', '--any-client'];
  const server = begin('tunnel', 'server', ...keys, '--metrics', address, '127.0.0.1:0', '127.0.0.1:9');
  await server.until(/metrics at http/);
});

async function addressOf(running: { until(pattern: RegExp): Promise<RegExpExecArray> }): Promise<string> {
  return (await running.until(/metrics at (http:\/\/\S+)\/metrics/))[1] as string;
}

/** Waits until each of these lines is among the metrics. */
async function tells(address: string, lines: readonly string[]): Promise<void> {
  const expected = expect.arrayContaining(lines.map((line) => `secure_sockets_${line}`));
  await expect.poll(async () => (await metrics(address)).split('\n'), { timeout: 5000 }).toEqual(expected);
}

async function metrics(address: string): Promise<string> {
  return (await fetch(`${address}/metrics`)).text();
}
