import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { freePort } from '../../scripts/lib/free-port.mjs';
import { inheritedAddress } from '../../src/cli/shared/inherited.js';
import { outcomeOf } from '../helpers/pack.js';
import { havePrograms, run, script } from './command.js';
import { addressOf, plainClient, plainServer, tunnelClient, usePlace } from './place.js';

// Sockets that a process is started with, as systemd passes them (sd_listen_fds(3)).

const place = usePlace();
const server = ['--identity', 'server.pem', '--authorized-keys', 'keys'];
const me = ['--identity', 'client.pem'];

/** Listens at sockets, one for each argument before `--` (`tcp` or a path), and becomes the command with them. */
const activator = `import os, socket, sys
split = sys.argv.index("--")
kinds, command = sys.argv[1:split], sys.argv[split + 1:]
kept = []
for number, kind in enumerate(kinds, 3):
    if kind == "udp":
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 0))
    elif kind == "tcp":
        s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
    else:
        s = socket.socket(socket.AF_UNIX); s.bind(kind); s.listen()
    kept.append(s)
    print("socket", s.getsockname()[1] if s.family == socket.AF_INET else kind, file=sys.stderr, flush=True)
high = [os.dup2(s.fileno(), 50 + i) for i, s in enumerate(kept)]
for number, fd in enumerate(high, 3): os.dup2(fd, number, inheritable=True)
for fd in high: os.close(fd)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(kinds)))
os.execvp(command[0], command)
`;

describe.skipIf(!havePrograms('python3'))('the command with sockets that it was started with', () => {
  test('a tunnel server and a tunnel client, by number', async () => {
    const target = await plainServer((socket) => socket.end('through'));
    const there = activate(['tcp'], ['tunnel', 'server', ...server, 'fd:3', addressOf(target)]);
    const port = await portIn(there);
    await there.until(new RegExp(`secure-sockets: listening at 127\\.0\\.0\\.1:${port}, key`));
    const pin = ['--server-key', place.serverKey];
    const here = activate(['tcp'], ['tunnel', 'client', ...pin, ...me, 'fd:3', `127.0.0.1:${port}`]);
    expect(await text(plainClient(await portIn(here)))).toBe('through');
    for (const one of [here, there]) expect(await one.stop()).toBe(0);
  });

  test('several by name, in TCP and in the file system, with metrics', async () => {
    const [one, two] = await Promise.all(
      ['one', 'two'].map((name) => plainServer((socket) => socket.end(name))),
    );
    const targets = [`--target=a=${addressOf(one as Server)}`, `--target=b=${addressOf(two as Server)}`];
    const there = activate(['tcp'], ['tunnel', 'server', ...server, ...targets, 'fd:in'], 'in');
    const pin = ['--server-key', place.serverKey, ...me];
    const path = join(place.folder, 'b.sock');
    const listens = ['--target=a=fd:a', '--target=b=fd:b', '--metrics=fd:metrics', '--metrics-public'];
    const here = activate(
      ['tcp', path, 'tcp'],
      ['tunnel', 'client', ...pin, ...listens, `127.0.0.1:${await portIn(there)}`],
      'metrics:b:a',
    );
    expect(await text(plainClient(await portIn(here, 1)))).toBe('one');
    await here.until(/listening at fd:4 for b/);
    expect(await text(connect(path))).toBe('two');
    const metrics = await fetch(`http://127.0.0.1:${await portIn(here)}/metrics`);
    expect(await metrics.text()).toContain('secure_sockets_connections_total');
  });

  test('receive and listen', async () => {
    const receiver = activate(['tcp'], ['receive', '--identity', 'server.pem', '-o', '.', 'fd:3']);
    const to = `127.0.0.1:${await portIn(receiver)}`;
    const sent = await run(place.folder, 'send', '--server-key', place.serverKey, 'keys', to);
    expect(sent).toMatchObject({ code: 2, stderr: expect.stringContaining('there is a file') });
    const path = join(place.folder, 'listen.sock');
    const listener = activate([path], ['listen', '--identity', 'server.pem', 'fd:3']);
    await listener.until(/listening at fd:3, key/);
    const connected = await run(place.folder, 'connect', '--server-key', place.serverKey, `unix:${path}`);
    expect(connected).toMatchObject({ code: 0 });
    expect(await listener.ended).toBe(0);
  });

  test.each<[string, string[], string[], string, RegExp]>([
    [
      'a number that was not passed',
      ['tcp'],
      ['fd:4'],
      'web',
      /no socket was passed as fd:4: there is fd:3, called web\n/,
    ],
    [
      'a name that was not passed',
      ['tcp'],
      ['fd:dns'],
      'web',
      /no socket was passed as fd:dns: there is fd:3, called web\n/,
    ],
    [
      'a name that several have',
      ['tcp', 'tcp'],
      ['fd:web'],
      'web:web',
      /several sockets are called web\nhint: say which: fd:3 or fd:4\n/,
    ],
    [
      'a datagram socket',
      ['udp'],
      ['fd:3'],
      'web',
      /descriptor 3 is not a stream socket that listens: .*\nhint: in a unit/,
    ],
  ])('%s is refused', async (_, sockets, [address = ''], names, expected) => {
    const running = activate(sockets, ['listen', '--identity', 'server.pem', address], names);
    expect(await running.ended).toBeGreaterThan(0);
    expect(running.errors()).toMatch(expected);
    expect(running.errors()).not.toMatch(/ {4}at /);
  });

  test('a configuration gives them from one service to another', async () => {
    const target = await plainServer((socket) => socket.end('through'));
    const table = (more: string): string =>
      `[tunnel-server.a]\nlisten = "fd:3"\ntarget = "${addressOf(target)}"\nidentity = "server.pem"\nauthorized-keys = "keys"\n${more}`;
    const path = join(place.folder, 'tunnels.toml');
    writeFileSync(path, table(''));
    const there = activate(['tcp'], ['tunnel', '--config', path]);
    const port = await portIn(there);
    await there.until(/a: listening/);
    for (const [index, text] of [table('max-connections = 3\n'), table('').replace('.a]', '.b]')].entries()) {
      writeFileSync(path, text);
      there.child.kill('SIGHUP');
      await there.until(new RegExp(`(secure-sockets: read the files again\\n[^]*){${index + 1}}`));
      expect(there.errors()).not.toContain('warning');
    }
    const { port: local } = await tunnelClient(port);
    expect(await text(plainClient(local))).toBe('through');
  });

  test('a configuration gives them from a bridge to another, from WebSockets to none and back', async () => {
    const table = (name: string, more: string): string =>
      `[bridge-inward.${name}]\nlisten = "fd:3"\ntarget = "127.0.0.1:1"\nidentity = "server.pem"\nany-client = true\n${more}`;
    const path = join(place.folder, 'bridges.toml');
    const web = 'websocket = true\n';
    writeFileSync(path, table('a', web));
    const there = activate(['tcp'], ['bridge', '--config', path]);
    const port = await portIn(there);
    await there.until(/a: listening/);
    const addresses = { web: `ws://127.0.0.1:${port}`, plain: `127.0.0.1:${port}` };
    const isReached = async (address: string): Promise<void> =>
      expect(await run(place.folder, 'fingerprint', address)).toMatchObject({ code: 0 });
    await isReached(addresses.web);
    const steps = [
      [table('a', `${web}max-connections = 3\n`), addresses.web],
      [table('b', web), addresses.web],
      [table('b', ''), addresses.plain],
      [table('b', web), addresses.web],
    ] as const;
    for (const [index, [content, address]] of steps.entries()) {
      writeFileSync(path, content);
      there.child.kill('SIGHUP');
      await there.until(new RegExp(`(secure-sockets: read the files again\\n[^]*){${index + 1}}`));
      expect(there.errors()).not.toContain('warning');
      await isReached(address);
    }
  });
});

test.skipIf(!havePrograms('systemd-socket-activate'))(
  'a connection that starts the service, by systemd-socket-activate',
  { timeout: 60_000 },
  async () => {
    const target = await plainServer((socket) => socket.end('through'));
    const port = await freePort();
    const command = [script, 'tunnel', 'server', ...server, 'fd:sealed', addressOf(target)];
    const child = spawn(
      'systemd-socket-activate',
      ['-l', `127.0.0.1:${port}`, '--fdname=sealed', process.execPath, ...command],
      { cwd: place.folder },
    );
    place.undo.push(() => child.kill('SIGKILL'));
    const there = watch(child);
    await there.until(/Listening on/);
    expect(there.errors()).not.toContain('secure-sockets:');
    const { port: local } = await tunnelClient(port);
    expect(await text(plainClient(local))).toBe('through');
    await there.until(/secure-sockets: listening at 127\.0\.0\.1/);
  },
);

test.each<[NodeJS.ProcessEnv, RegExp]>([
  [{}, /no sockets were passed to this process \(LISTEN_FDS\)/],
  [{ LISTEN_FDS: '0', LISTEN_PID: String(process.pid) }, /no sockets were passed/],
  [{ LISTEN_FDS: 'x', LISTEN_PID: String(process.pid) }, /no sockets were passed/],
  [{ LISTEN_FDS: '1', LISTEN_PID: '1' }, /passed to process 1, and this is \d+/],
  [{ LISTEN_FDS: '1' }, /passed to process undefined/],
])('the environment %j has none', (environment, expected) => {
  expect(() => inheritedAddress('fd:3', environment)).toThrow(expected);
});

interface Activated {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  errors(): string;
  until(pattern: RegExp): Promise<void>;
  stop(): Promise<number | null>;
}

/** Starts the command with these sockets. */
function activate(sockets: readonly string[], args: readonly string[], names?: string): Activated {
  const child = spawn('python3', ['-c', activator, ...sockets, '--', process.execPath, script, ...args], {
    cwd: place.folder,
    env: { ...process.env, HOME: place.folder, ...(names !== undefined && { LISTEN_FDNAMES: names }) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  place.undo.push(() => child.kill('SIGKILL'));
  return watch(child);
}

function watch(child: ChildProcess): Activated {
  let errors = '';
  child.stderr?.on('data', (chunk) => {
    errors += String(chunk);
  });
  const ended = outcomeOf(child).then(({ code }) => code);
  return {
    child,
    ended,
    errors: () => errors,
    until: (pattern) => expect.poll(() => errors, { timeout: 20_000 }).toMatch(pattern),
    stop: () => {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

/** The port of the TCP socket of that number. */
async function portIn(running: Activated, index = 0): Promise<number> {
  const ports = (): string[] =>
    [...running.errors().matchAll(/^socket (\d+)$/gm)].map(([, port = '']) => port);
  await expect.poll(() => ports().length, { timeout: 20_000 }).toBeGreaterThan(index);
  return Number(ports()[index]);
}
