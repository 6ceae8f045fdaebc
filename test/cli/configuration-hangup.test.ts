import { once } from 'node:events';
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { freePort } from '../../scripts/lib/free-port.mjs';
import { run } from './command.js';
import {
  connectTo,
  greeter,
  hangUp,
  portOf,
  reachable,
  readEcho,
  readGreeting,
  startConfigured,
  through,
  tunnelClient,
  tunnelServer,
  usePlaceForConfigurations,
  write,
} from './configured.js';
import { addressOf, plainClient, plainServer } from './place.js';

// What SIGHUP makes of a configuration that was changed.

const place = usePlaceForConfigurations();

describe('SIGHUP', () => {
  test('adds, removes and changes those that are changed, and touches no other', async () => {
    const [one, two] = [await greeter('one'), await greeter('two')];
    const server = await startConfigured(
      'live.toml',
      tunnelServer('stays', one) + tunnelServer('goes', one) + tunnelServer('turns', one),
    );
    const ports = {
      stays: await portOf(server, 'stays'),
      goes: await portOf(server, 'goes'),
      turns: await portOf(server, 'turns'),
    };
    const open = await Promise.all(Object.values(ports).map((port) => connectTo(port)));
    write(
      'live.toml',
      tunnelServer('stays', one) + tunnelServer('turns', two, ports.turns) + tunnelServer('new', two),
    );
    await hangUp(server);
    for (const socket of open) expect(await readEcho(socket)).toBe('still there');
    expect(await readGreeting(await through(ports.stays))).toBe('one');
    expect(await readGreeting(await through(ports.turns))).toBe('two');
    expect(await readGreeting(await through(await portOf(server, 'new')))).toBe('two');
    await expect(reachable(ports.goes)).resolves.toBe(false);
    expect(server.errors().match(/: stays: listening/g)).toHaveLength(1);
    expect(server.errors()).toMatch(/: goes: takes no more connections/);
    const { code } = await server.stop();
    expect(code).toBe(0);
  });

  test('leaves the metrics where they are when they cannot be at the new address', async () => {
    const taken = await plainServer(() => {});
    const tables = tunnelServer('a', await greeter('one'));
    const server = await startConfigured('metrics.toml', `metrics = "127.0.0.1:0"\n${tables}`);
    const [, address = ''] = await server.until(/metrics at (\S+)/);
    const status = async (): Promise<number> => (await fetch(address)).status;
    expect(await status()).toBe(200);
    const more = tunnelServer('more', await greeter('more'));
    write('metrics.toml', `metrics = "127.0.0.1:${portIn(taken)}"\n${tables}${more}`);
    await hangUp(server);
    await server.until(/warning: the metrics stay as they were: metrics: listen EADDRINUSE/);
    expect(server.errors()).not.toContain('nothing has changed');
    expect(await readGreeting(await through(await portOf(server, 'more')))).toBe('more');
    expect(await status()).toBe(200);
    write('metrics.toml', `metrics = ":0"\n${tables}${tunnelServer('b', await greeter('two'))}`);
    server.child.kill('SIGHUP');
    await server.until(/can be reached from other machines/);
    expect(server.errors()).not.toContain('b: listening');
    expect(await status()).toBe(200);
    write('metrics.toml', tables);
    await hangUp(server);
    await expect(status()).rejects.toThrow();
  });

  test('lets the metrics and a service take the address of each other, at once', async () => {
    const one = await greeter('one');
    const [here, there] = [await freePort(), await freePort()];
    const withMetrics = (metrics: number, service: number): string =>
      `metrics = "127.0.0.1:${metrics}"\n${tunnelServer('moves', one, service)}`;
    const server = await startConfigured('swap.toml', withMetrics(here, there));
    await server.until(/metrics at/);
    for (const [metrics, service] of [
      [there, here],
      [here, there],
    ] as const) {
      write('swap.toml', withMetrics(metrics, service));
      await hangUp(server);
      expect((await fetch(`http://127.0.0.1:${metrics}/healthz`)).status).toBe(200);
      expect(await readGreeting(await through(service))).toBe('one');
    }
    expect(server.errors()).not.toContain('warning');
  });

  test('says that there are no metrics when a service has their address and theirs is taken', async () => {
    const one = await greeter('one');
    const taken = await plainServer(() => {});
    const here = await freePort();
    const before = `metrics = "127.0.0.1:${here}"\n${tunnelServer('a', one)}`;
    const server = await startConfigured('none.toml', before);
    await server.until(/metrics at/);
    write('none.toml', `metrics = "127.0.0.1:${portIn(taken)}"\n${tunnelServer('a', one, here)}`);
    await hangUp(server);
    expect(server.errors()).toMatch(/warning: the metrics cannot be where they were: .*EADDRINUSE/);
    expect(server.errors()).toMatch(/warning: there are no metrics: metrics: listen EADDRINUSE/);
    expect(await readGreeting(await through(here))).toBe('one');
    write('none.toml', before);
    await hangUp(server);
    expect((await fetch(`http://127.0.0.1:${here}/healthz`)).status).toBe(200);
  });

  test('warns of a file that is now a folder', async () => {
    const server = await startConfigured('folder.toml', tunnelServer('a', await greeter('one')));
    rmSync(join(place.folder, 'etc/folder.toml'));
    mkdirSync(join(place.folder, 'etc/folder.toml'));
    server.child.kill('SIGHUP');
    await server.until(/nothing has changed: .*EISDIR/);
    expect(server.errors()).not.toContain('read the files again');
  });

  test('changes nothing when the file or a key that it names is broken', async () => {
    const one = await greeter('one');
    const server = await startConfigured(
      'live.toml',
      tunnelServer('stays', one) + tunnelServer('other', one),
    );
    const [stays, other] = [await portOf(server, 'stays'), await portOf(server, 'other')];
    for (const [text, expected] of [
      ['[tunnel-server.a]\nlisten = ', /nothing has changed: etc\/live\.toml:2:\d+: /],
      [`${tunnelServer('stays', one)}target = 3\n`, /nothing has changed: etc\/live\.toml:\d+:\d+: /],
      [
        tunnelServer('stays', one) + tunnelServer('other', one).replace('"keys"', '"none"'),
        /nothing has changed: etc\/live\.toml: tunnel-server\.other: the authorised keys cannot be read: ENOENT.*none/,
      ],
    ] as const) {
      write('live.toml', text);
      server.child.kill('SIGHUP');
      await server.until(expected);
    }
    for (const port of [stays, other]) expect(await readGreeting(await through(port))).toBe('one');
  });

  test('leaves a service as it was if it cannot listen where it is to', async () => {
    const one = await greeter('one');
    const server = await startConfigured('live.toml', tunnelServer('moves', one));
    const port = await portOf(server, 'moves');
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    place.undo.push(() => taken.close());
    write('live.toml', tunnelServer('moves', one, (taken.address() as { port: number }).port));
    await hangUp(server);
    await server.until(/: moves: warning: it cannot begin: listen EADDRINUSE/);
    const again = await portOf(server, 'moves', 2);
    expect(await readGreeting(await through(again))).toBe('one');
    expect(port).not.toBe(0);
  });

  test('reads the keys of those that are not changed', async () => {
    const one = await greeter('one');
    const text = tunnelServer('stays', one).replace('"keys"', '"changing"');
    copyFileSync(join(place.folder, 'keys'), join(place.folder, 'etc/changing'));
    const server = await startConfigured('live.toml', text);
    const port = await portOf(server, 'stays');
    expect(await readGreeting(await through(port))).toBe('one');
    copyFileSync(join(place.folder, 'etc/other-keys'), join(place.folder, 'etc/changing'));
    await hangUp(server);
    await server.until(/: stays: read the files again/);
    const { stderr } = await run(
      place.folder,
      'connect',
      '--identity',
      'client.pem',
      '--server-key',
      place.serverKey,
      `127.0.0.1:${port}`,
    );
    expect(stderr).toMatch(/the server does not admit this client/);
    copyFileSync(join(place.folder, 'keys'), join(place.folder, 'etc/changing'));
    write('live.toml', `log-level = "debug"\n${text}`);
    await hangUp(server);
    expect(await readGreeting(await through(port))).toBe('one');
    await server.until(/: stays: connected: /);
  });

  test('a service that listens at more, or at less, of the same port', async () => {
    const one = await greeter('one');
    const port = await freePort();
    const at = (address: string): string => tunnelServer('moves', one, port).replace('127.0.0.1', address);
    const server = await startConfigured('live.toml', at('127.0.0.1'));
    for (const address of ['0.0.0.0', '127.0.0.1']) {
      write('live.toml', at(address));
      await hangUp(server);
      expect(await readGreeting(await through(port))).toBe('one');
    }
    expect(server.errors()).not.toContain('warning');
  });

  test('loses no connection that is just being opened when a service is changed', {
    timeout: 60_000,
  }, async () => {
    const one = await greeter('one');
    const withLimit = (text: string, limit: number): string => `${text}max-connections = ${limit}\n`;
    const server = await startConfigured('there.toml', withLimit(tunnelServer('there', one), 100));
    const sealed = await portOf(server, 'there');
    const at = await freePort();
    const here = tunnelClient('here', `"127.0.0.1:${at}"`, sealed);
    const client = await startConfigured('here.toml', withLimit(here, 100));
    const outcomes: string[] = [];
    const state = { isOver: false };
    const opening = Array.from({ length: 5 }, async () => {
      while (!state.isOver) {
        const socket = plainClient(at);
        outcomes.push(await readGreeting(socket).catch((error: Error) => error.message));
        socket.destroy();
      }
    });
    for (let limit = 101; limit < 107; limit++) {
      write('there.toml', withLimit(tunnelServer('there', one, sealed), limit));
      await hangUp(server);
      write('here.toml', withLimit(here, limit));
      await hangUp(client);
      const seen = outcomes.length;
      await expect.poll(() => outcomes.length, { timeout: 15_000 }).toBeGreaterThan(seen + 10);
    }
    state.isOver = true;
    await Promise.all(opening);
    expect(outcomes.filter((outcome) => outcome !== 'one')).toEqual([]);
    expect(server.errors()).not.toContain('warning');
    expect((await server.stop()).code).toBe(0);
  });

  test('lets a handshake that has begun come to its end', { timeout: 60_000 }, async () => {
    const [one, two] = [await greeter('one'), await greeter('two')];
    const server = await startConfigured(
      'live.toml',
      `metrics = "127.0.0.1:0"\n${tunnelServer('turns', one)}`,
    );
    const port = await portOf(server, 'turns');
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    // what the server answers waits for the change
    const proxy = await plainServer((socket) => {
      const onward = plainClient(port);
      socket.pipe(onward);
      void released.then(() => onward.pipe(socket));
    });
    const carried = await through(Number(addressOf(proxy).split(':')[1]));
    const [, metrics] = await server.until(/metrics at (http:\S+)/);
    const fetchMetrics = async (): Promise<string> => (await fetch(metrics as string)).text();
    await expect
      .poll(fetchMetrics, { timeout: 10_000 })
      .toContain('secure_sockets_handshakes_pending{service="turns"} 1');
    write('live.toml', `metrics = "127.0.0.1:0"\n${tunnelServer('turns', two, port)}`);
    await hangUp(server);
    release();
    expect(await readGreeting(carried)).toBe('one');
    expect(await readGreeting(await through(port))).toBe('two');
  });
});

function portIn(server: Server): number {
  return (server.address() as AddressInfo).port;
}
