import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { flagsOfBridge } from '../../src/cli/shared/bridge-plan.js';
import { processFlags, readConfiguration } from '../../src/cli/shared/configuration.js';
import { flagsOfTunnel } from '../../src/cli/shared/tunnel-plan.js';
import { root } from '../helpers/pack.js';
import { run } from './command.js';
import {
  greeter,
  portOf,
  readGreeting,
  startConfigured,
  tunnelClient,
  tunnelServer,
  usePlaceForConfigurations,
} from './configured.js';
import { plainClient } from './place.js';

// `--config`: several tunnels and bridges in one process.

const place = usePlaceForConfigurations();

describe('a configuration', () => {
  test('has several tunnels in one process, which say by their names what they do', async () => {
    const [one, two] = [await greeter('one'), await greeter('two')];
    const server = await startConfigured(
      'server.toml',
      `log-format = "json"\nmetrics = "127.0.0.1:0"\n${tunnelServer('first', one)}${tunnelServer('second', `{ one = "${one}", two = "${two}" }`)}`,
    );
    const [first, second] = [await portOf(server, 'first'), await portOf(server, 'second')];
    const client = await startConfigured(
      'client.toml',
      `${tunnelClient('to-first', '"127.0.0.1:0"', first)}${tunnelClient('to-second', '{ one = "127.0.0.1:0", two = "127.0.0.1:0" }', second)}`,
      '--log-format',
      'json',
    );
    await client.until(/("event":"listening".*\n[\s\S]*){3}/);
    const ports = [...client.errors().matchAll(/"listening".*?127\.0\.0\.1:(\d+)"/g)].map(([, port]) =>
      Number(port),
    );
    const greetings = await Promise.all(ports.map(async (port) => readGreeting(plainClient(port))));
    expect(greetings).toEqual(['one', 'one', 'two']);
    const [, metrics = ''] = await server.until(/"event":"metrics","address":"([^"]*)"/);
    const told = await (await fetch(`http://${metrics}/metrics`)).text();
    expect(told).toContain('secure_sockets_connections_open{service="first"} 1\n');
    expect(told).toContain('secure_sockets_connections_open{service="second"} 2\n');
    expect(told.match(/^# TYPE secure_sockets_connections_open /gm)).toHaveLength(1);
    for (const running of [client, server]) {
      const { code } = await running.stop();
      expect(code).toBe(0);
    }
  });

  test.each([
    ['= 1', /^bad\.toml:1:1: /],
    ['[tunnel-server.a]\nlisten = ":1"\nlisten = ":2"', /^bad\.toml:3:1: /],
    ['', /^bad\.toml: it has no service/],
    [
      'log-level = "loud"\n[tunnel-client.a]',
      /^bad\.toml: log-level: is error, warning, info, debug; not "loud"/,
    ],
    ['metrics = "192.0.2.1:1"\n[tunnel-client.a]', /^bad\.toml: metrics: metrics are given to every client/],
    ['log-levle = "info"', /^bad\.toml: log-levle: there is no such option: did you mean log-level\?/],
    ['constructor = "x"\n[tunnel-client.a]', /^bad\.toml: constructor: there is no such option/],
    ['[toString.a]', /^bad\.toml: toString: there is no such option/],
    ['[tunnel-client.a]\nvalueOf = "x"', /^bad\.toml: tunnel-client\.a\.valueOf: there is no such option/],
    ['tunnel-server = 3', /^bad\.toml: tunnel-server: it is a table, not 3/],
    ['[tunnel-server."a b"]', /^bad\.toml: tunnel-server\.a b: a name has 1 to 63/],
    ['[tunnel-server.a]\nlisten = "here"', /^bad\.toml: tunnel-server\.a\.listen: not an address: "here"/],
    [
      '[tunnel-server.a]\nlisten = ["x"]',
      /^bad\.toml: tunnel-server\.a\.listen: it is an address, not an array/,
    ],
    [
      '[tunnel-client.a]\nlisten = { x = 5 }\nserver = "h:1"',
      /^bad\.toml: tunnel-client\.a\.listen: not an address: "5"/,
    ],
    ['[tunnel-client.a]\nlisten = "h:1"', /^bad\.toml: tunnel-client\.a: server is missing/],
    [
      '[tunnel-client.a]\ncariers = 4',
      /^bad\.toml: tunnel-client\.a\.cariers: there is no such option: did you mean carriers\?/,
    ],
    [
      '[tunnel-client.a]\nlisten = "127.0.0.1:7"\nserver = "h:1"\n[bridge-outward.b]\nlisten = "127.0.0.1:7"',
      /^bad\.toml: bridge-outward\.b\.listen: tunnel-client\.a listens at 127\.0\.0\.1:7 as well/,
    ],
    [
      'metrics = "[::1]:7"\n[tunnel-client.a]\nlisten = { x = "[::1]:7" }',
      /^bad\.toml: tunnel-client\.a\.listen: metrics listens at \[::1\]:7 as well/,
    ],
    [
      '[tunnel-client.a]\nany-client = true',
      /^bad\.toml: tunnel-client\.a\.any-client: it belongs to tunnel-server, not to tunnel-client/,
    ],
    [
      '[tunnel-server.a]\nserver = "h:1"',
      /^bad\.toml: tunnel-server\.a\.server: it belongs to tunnel-client, not to tunnel-server/,
    ],
    ['settle = 9', /^bad\.toml: settle: it belongs to tunnel-server: write it in such a table/],
    [
      '[tunnel-client.a]\ncarriers = 1.5',
      /^bad\.toml: tunnel-client\.a\.carriers: it is text or a whole number, not 1.5/,
    ],
    [
      '[tunnel-client.a]\nunlink = "yes"',
      /^bad\.toml: tunnel-client\.a\.unlink: it is true or false, not "yes"/,
    ],
    [
      '[tunnel-client.a]\nlog-level = "info"',
      /^bad\.toml: tunnel-client\.a\.log-level: it belongs to the whole process/,
    ],
    [
      '[tunnel-client.a]\nlisten = ":0"\nserver = "h:1"\ncarriers = 99',
      /^bad\.toml: tunnel-client\.a\.carriers: takes a whole number from 0 to 64, not "99"/,
    ],
    [
      '[tunnel-server.a]\nlisten = ":0"\ntarget = "h:1"',
      /^bad\.toml: tunnel-server\.a: a tunnel server lets in the clients in a file, or every client/,
    ],
    [
      '[bridge-outward.a]\nlisten = ":0"\nserver = "h:1"',
      /^bad\.toml: bridge-outward\.a: bridge outward speaks classic at LISTEN/,
    ],
    [
      '[bridge-inward.a]\nlisten = "127.0.0.1:0"\ntarget = "h:1"\nany-client = true\nidentity = "none.pem"',
      /^bad\.toml: bridge-inward\.a: the key file cannot be read: ENOENT.*none\.pem/,
    ],
    [
      '[tunnel-server.a]\nlisten = "127.0.0.1:0"\ntarget = "h:1"\nidentity = "server.pem"\nauthorized-keys = "server.pem"',
      /^bad\.toml: tunnel-server\.a: server\.pem:1: /,
    ],
    ['[tunnel-server.a]\n[tunnel-client.a]', /^bad\.toml: tunnel-server\.a: listen is missing/],
  ])('with a mistake is refused: %j', async (text, expected) => {
    writeFileSync(join(place.folder, 'bad.toml'), text);
    const { stderr, code } = await run(place.folder, 'tunnel', '--config', 'bad.toml');
    expect(stderr.replace('secure-sockets: ', '')).toMatch(expected);
    expect(code).toBe(2);
  });

  test('as docs/cli.md shows it is one', async () => {
    const [, example = ''] =
      /```toml\n([^`]*)```/.exec(readFileSync(join(root, 'docs/cli.md'), 'utf8')) ?? [];
    copyFileSync(join(place.folder, 'client.pem'), join(place.folder, 'etc/me.pem'));
    const text = example
      .replace('SHA256:...', place.serverKey)
      .replaceAll(/"([^":]*):\d+"/g, (whole, host) => {
        return host === '' || host === '127.0.0.1'
          ? whole.replace(/\d+"$/, whole.includes('8000') || whole.includes('6379') ? '1"' : '0"')
          : whole;
      });
    const running = await startConfigured('example.toml', text);
    await running.until(/("event":"listening"[\s\S]*){4}/);
    for (const name of ['redis', 'shop', 'old'])
      expect(running.errors()).toContain(`"listening","service":"${name}"`);
  });

  test('has no mistake in an address that the command line takes the place of, but in one that it gives', async () => {
    const path = join(place.folder, 'metrics.toml');
    writeFileSync(
      path,
      `metrics = "127.0.0.1:7"\n[tunnel-client.a]\nlisten = "127.0.0.1:7"\nserver = "h:1"\nserver-key = "${place.serverKey}"\n`,
    );
    const given = (port: number) => readConfiguration(path, { metrics: `127.0.0.1:${port}` });
    await expect(given(8)).resolves.toMatchObject({ flags: { metrics: '127.0.0.1:7' } });
    await expect(given(7)).rejects.toThrow('metrics listens at 127.0.0.1:7 as well');
  });

  test('goes with no side', async () => {
    const { stderr } = await run(place.folder, 'bridge', 'inward', '--config', 'x.toml');
    expect(stderr).toMatch(/--config FILE says what is to run: leave out "inward"/);
    const missing = await run(place.folder, 'bridge', '--config', 'nowhere.toml');
    expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining('nowhere.toml') });
  });

  test.each([
    ['tunnel', 'client', flagsOfTunnel.client],
    ['tunnel', 'server', flagsOfTunnel.server],
    ['bridge', 'inward', flagsOfBridge.inward],
    ['bridge', 'outward', flagsOfBridge.outward],
  ])('knows every option of %s %s', async (command, side, flags) => {
    const path = join(place.folder, 'one.toml');
    const mine = Object.entries(flags).filter(
      ([name]) => !(name in processFlags) && !/^(help|target)$/.test(name),
    );
    for (const [name, { type }] of mine) {
      writeFileSync(path, `[${command}-${side}.a]\n${name} = ${type === 'string' ? '"1"' : 'true'}\n`);
      await expect(readConfiguration(path)).rejects.toThrow(
        `one.toml: ${command}-${side}.a: listen is missing`,
      );
    }
    expect(mine.map(([name]) => name)).toContain('max-connections');
    const { stdout: help } = await run(place.folder, command, '--help');
    const named = [...help.matchAll(/^ {2}(?:-\w, )?--([a-z-]+)/gm)].map(([, name = '']) => name);
    const all = Object.keys({
      ...processFlags,
      ...flagsOfTunnel.client,
      ...flagsOfTunnel.server,
      ...flagsOfBridge.inward,
      ...flagsOfBridge.outward,
    });
    expect(named.filter((name) => !all.includes(name))).toEqual(['config']);
  });
});
