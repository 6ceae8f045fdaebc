import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { SecureServer } from 'secure-sockets';
import { describe, expect, test } from 'vitest';
import { newPart } from '../../src/cli/shared/parts.js';
import { problemWithName } from '../../src/cli/shared/transfer.js';
import { installPackage } from '../helpers/pack.js';
import { portOf as portOfServer } from '../helpers/sockets.js';
import { portOf, run } from './command.js';
import { letter, message, receive, sender, useBox } from './transfers.js';

const place = useBox();

const { undo } = place;

test('parts that a killed receiver has left are removed by the next receive of the same name, and no others', async () => {
  const hash = createHash('sha256').update('a').digest('hex').slice(0, 16);
  const box = join(place.folder, 'box');
  const receiver = receive();
  const mine = basename(newPart({ folder: box, name: 'a', sender: '' }));
  const by = (pid: number | undefined): string => mine.replace(`-${process.pid}-`, `-${pid}-`);
  const elsewhere = (name: string): string => name.replace(/(?<=-\d+-)[0-9a-f]{8}-/, '00000000-');
  const kept = {
    recent: elsewhere(by(2147483645)),
    alive: mine,
    other: mine.replace(hash, '0'.repeat(16)),
  };
  const removed = {
    dead: by(2147483646),
    // in containers the processes before and elsewhere have the same number
    before: by(receiver.child.pid),
    elsewhere: elsewhere(mine),
  };
  for (const name of Object.values({ ...kept, ...removed })) {
    writeFileSync(join(box, name), 'part');
    if (name !== kept.recent) utimesSync(join(box, name), 1, 1);
  }
  writeFileSync(join(place.folder, 'a'), 'whole');
  const to = `127.0.0.1:${await portOf(receiver)}`;
  expect(await run(place.folder, 'send', '--server-key', place.identity.fingerprint, 'a', to)).toMatchObject({
    code: 0,
  });
  expect(await receiver.ended).toMatchObject({ code: 0 });
  expect(readdirSync(box).sort()).toEqual([...Object.values(kept), 'a'].sort());
});

describe('a transfer that is cut off leaves no file', () => {
  test('when the sender is killed', async () => {
    writeFileSync(join(place.folder, 'large'), randomBytes(1 << 20));
    const receiver = receive();
    const client = await sender(receiver);
    await client.send(message('F', JSON.stringify({ name: 'large', size: 1 << 20 })));
    expect(letter(await client.recv())).toBe('A');
    await client.send(message('D', randomBytes(1000)));
    const names = (): string[] => readdirSync(join(place.folder, 'box'));
    await expect.poll(names).toEqual([expect.stringMatching(/^\..*\.part$/)]);
    client.destroy();
    const { code, stderr } = await receiver.ended;
    expect(stderr).toMatch(/secure-sockets: the connection was lost: /);
    expect(code).toBe(4);
    expect(readdirSync(join(place.folder, 'box'))).toEqual([]);
  });

  test('when the sender ends too early', async () => {
    const receiver = receive();
    const client = await sender(receiver);
    await client.send(message('F', '{"name":"a","size":2}'));
    await client.send(message('D', 'x'));
    await client.end();
    expect(await receiver.ended).toMatchObject({ code: 4 });
    expect(readdirSync(join(place.folder, 'box'))).toEqual([]);
  });

  test('when the receiver is stopped', async () => {
    const receiver = receive();
    const client = await sender(receiver);
    await client.send(message('F', '{"name":"a","size":2}'));
    expect(letter(await client.recv())).toBe('A');
    expect(await receiver.stop('SIGINT')).toMatchObject({ code: 130 });
    expect(readdirSync(join(place.folder, 'box'))).toEqual([]);
  });

  test('and the sender says so when the receiver vanishes', async () => {
    writeFileSync(join(place.folder, 'large'), randomBytes(1 << 20));
    const server = new SecureServer({ identity: place.identity });
    await server.listen({ host: '127.0.0.1', port: 0 });
    undo.push(() => server.close({ timeout: 100 }));
    const sending = run(
      place.folder,
      'send',
      '--server-key',
      place.identity.fingerprint,
      'large',
      `127.0.0.1:${portOfServer(server)}`,
    );
    const client = await server.accept();
    await client.recv();
    await client.send(message('A'));
    await client.recv();
    client.destroy();
    expect(await sending).toMatchObject({ code: 4, stdout: '' });
  });
});

describe('a sender that lies is refused, and nothing is stored', () => {
  const header = (name: string, size = 1): Uint8Array => message('F', JSON.stringify({ name, size }));
  const hash = message('H', new Uint8Array(32));
  test.each<[string, Uint8Array[]]>([
    ['a path out of the folder', [header('../escaped')]],
    ['a path into a folder', [header('deeper/file')]],
    ['an absolute path', [header('/tmp/escaped')]],
    ['a path of Windows', [header('..\\escaped')]],
    ['the folder above', [header('..')]],
    ['no name', [header('')]],
    ['a hidden name', [header('.ssh')]],
    ['a name with a zero byte', [header('a\0b')]],
    ['a name that paints the terminal', [header('a\u001b[31m')]],
    ['a name that is too long', [header('a'.repeat(256))]],
    ['a wrong hash', [header('file'), message('D', 'x'), hash]],
    ['more than was announced', [header('file'), message('D', 'xy'), hash]],
    ['less than was announced', [header('file', 3), message('D', 'xy'), hash]],
    ['a size below zero', [header('file', -1)]],
    ['a size that is no number', [message('F', '{"name":"file","size":"1"}')]],
    ['a header that is not JSON', [message('F', 'file')]],
    ['a header that is not UTF-8', [message('F', Uint8Array.of(0xff))]],
    ['content before the header', [message('D', 'x')]],
    ['an empty message', [new Uint8Array(0)]],
    ['a short hash', [header('file'), message('D', 'x'), message('H', 'x')]],
  ])('%s', async (_, messages) => {
    const before = readdirSync(place.folder);
    const receiver = receive();
    const client = await sender(receiver);
    for (const one of messages) await client.send(one);
    await client.end();
    const { code, stderr } = await receiver.ended;
    expect([2, 4]).toContain(code);
    expect(stderr).not.toContain('\u001b');
    expect(readdirSync(join(place.folder, 'box'))).toEqual([]);
    expect(readdirSync(place.folder)).toEqual(before);
  });
});

test('of two senders of one name one wins, and the file is its', async () => {
  const receiver = receive('-k');
  const port = await portOf(receiver);
  const contents = [randomBytes(3_000_000), randomBytes(3_000_000)];
  const sending = contents.map((content, i) => {
    mkdirSync(join(place.folder, String(i)));
    writeFileSync(join(place.folder, String(i), 'same'), content);
    return run(
      place.folder,
      'send',
      '--server-key',
      place.identity.fingerprint,
      `${i}/same`,
      `127.0.0.1:${port}`,
    );
  });
  const outcomes = await Promise.all(sending);
  const winners = outcomes.flatMap(({ code }, i) => (code === 0 ? [contents[i]] : []));
  expect(winners).toHaveLength(1);
  expect(readFileSync(join(place.folder, 'box', 'same')).equals(winners[0] as Buffer)).toBe(true);
  expect(readdirSync(join(place.folder, 'box'))).toEqual(['same']);
  await receiver.stop();
});

test.each<[string, (box: string) => void, RegExp]>([
  ['is gone', () => {}, /it cannot be stored \(ENOENT\)/],
  ['is a file now', (box) => writeFileSync(box, 'mine'), /it cannot be stored \(ENOTDIR\)/],
  [
    'has a link that leads nowhere',
    (box) => {
      mkdirSync(box);
      symlinkSync('nowhere', join(box, 'a'));
    },
    /there is a file of that name/,
  ],
  [
    'has a FIFO',
    (box) => {
      mkdirSync(box);
      execFileSync('mkfifo', [join(box, 'a')]);
    },
    /there is a file of that name/,
  ],
])('a sender is told why when the folder %s, and both exit with 2', async (_, change, reason) => {
  const { folder, identity } = place;
  writeFileSync(join(folder, 'a'), 'whole');
  for (const flags of [[], ['--resume']]) {
    const receiver = receive(...flags);
    const to = `127.0.0.1:${await portOf(receiver)}`;
    rmSync(join(folder, 'box'), { recursive: true });
    change(join(folder, 'box'));
    const sent = await run(folder, 'send', ...flags, '--server-key', identity.fingerprint, 'a', to);
    expect(sent).toMatchObject({ code: 2, stderr: expect.stringMatching(reason) });
    expect(await receiver.ended).toMatchObject({ code: 2, stderr: expect.stringMatching(reason) });
    rmSync(join(folder, 'box'), { recursive: true, force: true });
    mkdirSync(join(folder, 'box'));
  }
});

test('a folder that cannot be listed takes files', async () => {
  const { folder, identity } = place;
  const box = join(folder, 'box');
  chmodSync(box, 0o300);
  const receiver = receive();
  writeFileSync(join(folder, 'a'), 'whole');
  const to = `127.0.0.1:${await portOf(receiver)}`;
  expect(await run(folder, 'send', '--server-key', identity.fingerprint, 'a', to)).toMatchObject({ code: 0 });
  expect(await receiver.ended).toMatchObject({ code: 0 });
  chmodSync(box, 0o700);
  expect(readdirSync(box)).toEqual(['a']);
});

test.each([
  ['plain.txt', true],
  ['Straße 7 (copy).tar.gz', true],
  ['a'.repeat(255), true],
  ['NUL', false],
  ['com1.txt', false],
  ['a:b', false],
  ['a.', false],
  ['a\u202egpj.exe', false],
])('the name %j may be taken: %s', (name, may) => {
  expect(problemWithName(name) === undefined).toBe(may);
});

describe('as installed', { timeout: 120_000 }, () => {
  test('the command is there, and without the optional peers says how to get them', async () => {
    const project = await installPackage();
    undo.push(() => project.remove());
    const command = join(project.path, 'node_modules/.bin/secure-sockets');
    expect(await project.node(command, 'keygen', '--bits', '2048', '-o', 'key.pem')).toMatchObject({
      code: 0,
    });
    for (const [backend, peer] of [
      ['forge', 'node-forge'],
      ['sodium', 'sodium-native'],
    ] as const)
      expect(await project.node(command, 'keygen', '--backend', backend, '-o', 'other.pem')).toMatchObject({
        code: 2,
        stderr: `secure-sockets: the ${backend} backend needs ${peer}, which is not installed\nhint: npm i ${peer}\n`,
      });
    for (const args of [
      ['listen', '--websocket', '127.0.0.1:0'],
      ['connect', '--server-key', `SHA256:${'A'.repeat(43)}`, 'ws://127.0.0.1:1'],
    ]) {
      const isNeeded = args[0] === 'listen' || !('WebSocket' in globalThis);
      const { code, stderr } = await project.node(command, ...args);
      if (isNeeded) expect(code).toBe(2);
      if (isNeeded)
        expect(stderr).toMatch(/^secure-sockets: .* needs the package ws, .*\nhint: npm install ws\n$/);
      else expect([code, stderr]).toEqual([1, expect.stringContaining('the WebSocket could not be opened')]);
    }
    // as sodium-native fails where it brings no build for the system
    project.write('node_modules/sodium-native/package.json', '{ "main": "index.cjs" }');
    const failure = "Object.assign(new Error('no addon'), { code: 'ADDON_NOT_FOUND' })";
    project.write('node_modules/sodium-native/index.cjs', `throw ${failure};`);
    const { platform, arch } = process;
    expect(await project.node(command, 'keygen', '--backend', 'sodium', '-o', 'other.pem')).toMatchObject({
      code: 2,
      stderr: `secure-sockets: the sodium backend cannot be loaded: sodium-native has no build for ${platform} on ${arch}\nhint: use --backend node\n`,
    });
    const benchmark = await project.node(command, 'bench', '--backend', 'node', '--json');
    const figures = JSON.parse(benchmark.stdout);
    expect(figures.backend).toBe('node');
    for (const name of [
      'connectionsPerSecond',
      'messagesPerSecond',
      'megabytesPerSecond64KiB',
      'megabytesPerSecond1MiB',
    ])
      expect(figures[name]).toBeGreaterThan(0);
  });
});
