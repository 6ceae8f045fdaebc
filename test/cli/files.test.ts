import { createHash, randomBytes } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Identity, SecureClient, SecureServer } from 'secure-sockets';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { bar, formatBytes, progressOf } from '../../src/cli/shared/progress.js';
import { problemWithName } from '../../src/cli/shared/transfer.js';
import { installPackage } from '../helpers/pack.js';
import { portOf as portOfServer } from '../helpers/sockets.js';
import { portOf, type Running, requireBuild, run, start } from './command.js';

let folder: string;
let identity: Identity;
const undo: (() => unknown)[] = [];

beforeAll(async () => {
  await requireBuild();
  identity = await Identity.generate({ modulusLength: 2048 });
});
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'secure-sockets-files-'));
  mkdirSync(join(folder, 'box'));
  await identity.save(join(folder, 'key.pem'));
  undo.push(() => rmSync(folder, { recursive: true, force: true }));
});
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

test('parts that a killed receiver has left are removed by the next receive of the same name, and no others', async () => {
  const hash = createHash('sha256').update('a').digest('hex').slice(0, 16);
  const box = join(folder, 'box');
  const [dead, recent, alive, other] = [
    `.${hash}-2147483646-x.part`,
    `.${hash}-2147483645-x.part`,
    `.${hash}-${process.pid}-x.part`,
    `.${'0'.repeat(16)}-2147483646-x.part`,
  ] as const;
  for (const name of [dead, recent, alive, other]) writeFileSync(join(box, name), 'part');
  for (const name of [dead, alive, other]) utimesSync(join(box, name), 1, 1);
  const receiver = receive();
  writeFileSync(join(folder, 'a'), 'whole');
  const to = `127.0.0.1:${await portOf(receiver)}`;
  expect(await run(folder, 'send', '--server-key', identity.fingerprint, 'a', to)).toMatchObject({ code: 0 });
  expect(await receiver.ended).toMatchObject({ code: 0 });
  expect(readdirSync(box).sort()).toEqual([alive, recent, other, 'a'].sort());
});

describe('a transfer that is cut off leaves no file', () => {
  test('when the sender is killed', async () => {
    writeFileSync(join(folder, 'large'), randomBytes(1 << 20));
    const receiver = receive();
    const client = await sender(receiver);
    await client.send(message('F', JSON.stringify({ name: 'large', size: 1 << 20 })));
    expect(letter(await client.recv())).toBe('A');
    await client.send(message('D', randomBytes(1000)));
    await sleep(200);
    expect(readdirSync(join(folder, 'box'))).toEqual([expect.stringMatching(/^\..*\.part$/)]);
    client.destroy();
    const { code, stderr } = await receiver.ended;
    expect(stderr).toMatch(/secure-sockets: the connection was lost: /);
    expect(code).toBe(4);
    expect(readdirSync(join(folder, 'box'))).toEqual([]);
  });

  test('when the sender ends too early', async () => {
    const receiver = receive();
    const client = await sender(receiver);
    await client.send(message('F', '{"name":"a","size":2}'));
    await client.send(message('D', 'x'));
    await client.end();
    expect(await receiver.ended).toMatchObject({ code: 4 });
    expect(readdirSync(join(folder, 'box'))).toEqual([]);
  });

  test('when the receiver is stopped', async () => {
    const receiver = receive();
    const client = await sender(receiver);
    await client.send(message('F', '{"name":"a","size":2}'));
    expect(letter(await client.recv())).toBe('A');
    expect(await receiver.stop('SIGINT')).toMatchObject({ code: 130 });
    expect(readdirSync(join(folder, 'box'))).toEqual([]);
  });

  test('and the sender says so when the receiver vanishes', async () => {
    writeFileSync(join(folder, 'large'), randomBytes(1 << 20));
    const server = new SecureServer({ identity });
    await server.listen({ host: '127.0.0.1', port: 0 });
    undo.push(() => server.close({ timeout: 100 }));
    const sending = run(
      folder,
      'send',
      '--server-key',
      identity.fingerprint,
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
    const receiver = receive();
    const client = await sender(receiver);
    for (const one of messages) await client.send(one);
    await client.end();
    const { code, stderr } = await receiver.ended;
    expect([2, 4]).toContain(code);
    expect(stderr).not.toContain('\u001b');
    expect(readdirSync(join(folder, 'box'))).toEqual([]);
    expect(readdirSync(folder).sort()).toEqual(['box', 'key.pem']);
  });
});

test('of two senders of one name one wins, and the file is its', async () => {
  const receiver = receive('-k');
  const port = await portOf(receiver);
  const contents = [randomBytes(3_000_000), randomBytes(3_000_000)];
  const sending = contents.map((content, i) => {
    mkdirSync(join(folder, String(i)));
    writeFileSync(join(folder, String(i), 'same'), content);
    return run(folder, 'send', '--server-key', identity.fingerprint, `${i}/same`, `127.0.0.1:${port}`);
  });
  const outcomes = await Promise.all(sending);
  const winners = outcomes.flatMap(({ code }, i) => (code === 0 ? [contents[i]] : []));
  expect(winners).toHaveLength(1);
  expect(readFileSync(join(folder, 'box', 'same')).equals(winners[0] as Buffer)).toBe(true);
  expect(readdirSync(join(folder, 'box'))).toEqual(['same']);
  await receiver.stop();
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

describe('progress', () => {
  test('is a bar with rate and time left', () => {
    expect(bar('file', 2 ** 20, 4 * 2 ** 20, 2, 80)).toBe(
      `file  25% [${'#'.repeat(10)}${'-'.repeat(30)}] 512.0 KiB/s 00:06 left`,
    );
    expect(bar('file', 0, 0, 0, 80)).toContain('100%');
    expect(bar('x'.repeat(100), 1, 2, 1, 60).length).toBeLessThan(60);
  });

  test('is drawn a few times a second, on a terminal only, and wiped off', () => {
    const drawn: string[] = [];
    let time = 0;
    const canvas = { isTTY: true, columns: 80, write: (text: string) => drawn.push(text) };
    const progress = progressOf('file', 1000, canvas, () => time);
    for (let i = 0; i < 1000; i++) {
      time += 1;
      progress.advance(1);
    }
    progress.end();
    expect(drawn).toHaveLength(6);
    expect(drawn[0]).toMatch(/^\rfile {2}20% /);
    expect(drawn.at(-1)).toBe('\r\u001b[K');
    const silent = progressOf('file', 1000, { write: () => drawn.push('not a terminal') }, () => time);
    silent.advance(1000);
    silent.end();
    expect(drawn).toHaveLength(6);
  });

  test.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [5 * 2 ** 30, '5.0 GiB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
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

function receive(...args: string[]): Running {
  const running = start(folder, ['receive', ...args, '--identity', 'key.pem', '-o', 'box', '127.0.0.1:0']);
  undo.push(() => running.stop('SIGKILL'));
  return running;
}

async function sender(receiver: Running): Promise<SecureClient> {
  const client = new SecureClient({ serverKey: identity.fingerprint, allowHalfOpen: true });
  await client.connect({ host: '127.0.0.1', port: await portOf(receiver) });
  undo.push(() => client.destroy());
  return client;
}

function message(letter: string, body: string | Uint8Array = ''): Uint8Array {
  return Buffer.concat([Buffer.from(letter), Buffer.from(body)]);
}

function letter(received: Uint8Array | null): string {
  return String.fromCharCode(received?.[0] ?? 0);
}

afterAll(() => {
  expect(undo).toEqual([]);
});
