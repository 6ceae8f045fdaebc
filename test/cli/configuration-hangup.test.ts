import { once } from 'node:events';
import { copyFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
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
  tunnelServer,
  usePlaceForConfigurations,
  write,
} from './configured.js';

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
        /nothing has changed: etc\/live\.toml: tunnel-server\.other: ENOENT.*none/,
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
});
