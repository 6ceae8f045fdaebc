import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { SecureClient } from 'secure-sockets';
import { expect, test } from 'vitest';
import type { Outcome } from '../helpers/pack.js';
import { portOf, type Running, run, start } from './command.js';
import { letter, message, receive, sender, useBox } from './transfers.js';

const place = useBox();
const HALF = 600_000;
const soon = { timeout: 15_000 };
const content = randomBytes(2 * HALF);

test('a broken transfer goes on where it ended, for the one who began it', { timeout: 60_000 }, async () => {
  write('file', content);
  const receiver = receive('-k', '--resume', '--authorized-keys', 'keys');
  await breakOff(receiver, 'file');
  expect(await send(receiver, 'file', '--resume', '--identity', 'one.pem')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^sent file, 1\.1 MiB, SHA-256 \w{64}, resumed at 585\.9 KiB\n$/),
  });
  expect(read('file').equals(content)).toBe(true);
  expect(box()).toEqual(['file']);
  const { stdout } = await receiver.stop();
  expect(stdout).toMatch(/received box\/file, 1\.1 MiB, SHA-256 \w{64}, resumed at 585\.9 KiB\n/);
});

test('no other client continues it, nor takes it away', { timeout: 60_000 }, async () => {
  write('file', content);
  const receiver = receive('-k', '--resume', '--authorized-keys', 'keys');
  await breakOff(receiver, 'file');
  const other = await sender(receiver, { identity: place.clients[1] });
  await other.send(header('file', content.length));
  expect(await other.recv()).toEqual(Uint8Array.from(message('A')));
  other.destroy();
  await expect.poll(parts, soon).toHaveLength(1);
  expect(await send(receiver, 'file', '--resume', '--identity', 'one.pem')).toMatchObject({
    stdout: expect.stringContaining('resumed'),
  });
  expect(box()).toEqual(['file']);
});

test.each<[string, (client: SecureClient) => Promise<unknown>]>([
  ['a SHA-256 of something else', (client) => client.send(message('P', sha256(randomBytes(HALF))))],
  ['no SHA-256', (client) => client.send(message('P'))],
  ['a short one', (client) => client.send(message('P', sha256(content.subarray(0, HALF)).subarray(1)))],
])('nothing is appended after %s', { timeout: 60_000 }, async (_, prove) => {
  const receiver = receive('-k', '--resume', '--authorized-keys', 'keys');
  await breakOff(receiver, 'file');
  const client = await sender(receiver, { identity: place.clients[0] });
  await client.send(header('file', 3));
  expect(await client.recv()).toEqual(Uint8Array.from(message('A', count(HALF))));
  await prove(client);
  expect(await client.recv()).toEqual(Uint8Array.from(message('A', count(0))));
  await client.send(message('D', 'new'));
  await client.send(message('H', sha256(Buffer.from('new'))));
  expect(letter(await client.recv())).toBe('K');
  expect(read('file').toString()).toBe('new');
  expect(box()).toEqual(['file']);
});

test('what is proven by its start and wrong in the end is not stored', { timeout: 60_000 }, async () => {
  const receiver = receive('-k', '--resume', '--authorized-keys', 'keys');
  await breakOff(receiver, 'file');
  const client = await sender(receiver, { identity: place.clients[0] });
  await client.send(header('file', HALF + 1));
  await client.recv();
  await client.send(message('P', sha256(content.subarray(0, HALF))));
  expect(await client.recv()).toEqual(Uint8Array.from(message('A', count(HALF))));
  await client.send(message('D', 'x'));
  await client.send(message('H', sha256(content)));
  expect(letter(await client.recv())).toBe('R');
  await expect.poll(box, soon).toEqual([]);
});

test('a file that has changed since is sent anew', { timeout: 60_000 }, async () => {
  const receiver = receive('-k', '--resume', '--authorized-keys', 'keys');
  await breakOff(receiver, 'file');
  const changed = Buffer.concat([Buffer.from('x'), content.subarray(1)]);
  write('file', changed);
  const { stdout } = await send(receiver, 'file', '--resume', '--identity', 'one.pem');
  expect(stdout).toMatch(/^sent file, 1\.1 MiB, SHA-256 \w{64}\n$/);
  expect(read('file').equals(changed)).toBe(true);
  await breakOff(receiver, 'shorter');
  write('shorter', content.subarray(0, 10));
  expect(await send(receiver, 'shorter', '--resume', '--identity', 'one.pem')).toMatchObject({ code: 0 });
  expect(read('shorter').equals(content.subarray(0, 10))).toBe(true);
});

test('a receiver that was killed goes on with what it has', { timeout: 60_000 }, async () => {
  write('file', content);
  const first = receive('-k', '--resume');
  await begin(first, 'file');
  await first.stop('SIGKILL');
  expect(parts()).toHaveLength(1);
  const second = receive('-k', '--resume');
  const { stdout } = await send(second, 'file', '--resume');
  expect(stdout).toContain('resumed at 585.9 KiB');
  expect(read('file').equals(content)).toBe(true);
  expect(box()).toEqual(['file']);
});

test('a machine that lost the end of a part goes on with what is left', { timeout: 60_000 }, async () => {
  write('file', content);
  const receiver = receive('-k', '--resume');
  await breakOff(receiver, 'file', {});
  truncateSync(join(place.folder, 'box', parts()[0] ?? ''), 100_000);
  const { stdout } = await send(receiver, 'file', '--resume');
  expect(stdout).toContain('resumed at 97.7 KiB');
  expect(read('file').equals(content)).toBe(true);
});

test('files that are there already are passed over if they are the same', { timeout: 60_000 }, async () => {
  write('one', Buffer.from('one'));
  write('two', Buffer.from('two'));
  const receiver = receive('-k', '--resume');
  expect(await send(receiver, 'one')).toMatchObject({ code: 0 });
  const to = `127.0.0.1:${await portOf(receiver)}`;
  const pin = ['--server-key', place.identity.fingerprint];
  expect(await run(place.folder, 'send', '--resume', ...pin, 'one', 'two', to)).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^there already: one\nsent two, /),
  });
  write('one', Buffer.from('ONE'));
  expect(await send(receiver, 'one', '--resume')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('there is a file of that name, which is not overwritten'),
  });
  expect(await send(receiver, 'two')).toMatchObject({ code: 2 });
});

test('without --resume at the sender it begins anew, and what was left is removed', {
  timeout: 60_000,
}, async () => {
  write('file', content);
  const receiver = receive('-k', '--resume', '--authorized-keys', 'keys');
  await breakOff(receiver, 'file');
  const { stdout } = await send(receiver, 'file', '--identity', 'one.pem');
  expect(stdout).not.toContain('resumed');
  expect(box()).toEqual(['file']);
});

test('without --resume at the receiver nothing is left, and the sender begins anew', {
  timeout: 60_000,
}, async () => {
  write('file', content);
  const kept = receive('-k', '--resume');
  await breakOff(kept, 'file', {});
  await kept.stop();
  const receiver = receive('-k');
  const { stdout } = await send(receiver, 'file', '--resume');
  expect(stdout).not.toContain('resumed');
  expect(box()).toEqual(['file']);
  const client = await begin(receiver, 'other');
  client.destroy();
  await expect.poll(box, soon).toEqual(['file']);
});

test('a part that a process writes to is not continued', { timeout: 60_000 }, async () => {
  const receiver = receive('-k', '--resume');
  await begin(receiver, 'file');
  const second = await sender(receiver);
  await second.send(header('file', content.length));
  expect(await second.recv()).toEqual(Uint8Array.from(message('A')));
  expect(parts()).toHaveLength(2);
  // of another system, whose processes have other numbers
  const foreign = join(place.folder, 'box', `${nameOf('file')}-2147483646-00000000-${senderOf('')}-x.part`);
  writeFileSync(foreign, 'part');
  const third = await sender(receiver);
  await third.send(header('file', content.length));
  expect(await third.recv()).toEqual(Uint8Array.from(message('A')));
  utimesSync(foreign, 1, 1);
  const { ino } = statSync(foreign);
  const fourth = await sender(receiver);
  await fourth.send(header('file', content.length));
  expect(await fourth.recv()).toEqual(Uint8Array.from(message('A', count(4))));
  // a writer that had only been standing still has its own file open, and cannot harm this one
  expect(parts().map((name) => statSync(join(place.folder, 'box', name)).ino)).not.toContain(ino);
  expect(existsSync(foreign)).toBe(false);
});

test('pieces of zeros stay holes', { timeout: 60_000 }, async () => {
  write('sparse', Buffer.from('start'));
  truncateSync(join(place.folder, 'sparse'), 50_000_000);
  const receiver = receive();
  expect(await send(receiver, 'sparse')).toMatchObject({ code: 0 });
  await receiver.ended;
  expect(read('sparse').equals(readFileSync(join(place.folder, 'sparse')))).toBe(true);
  expect(512 * statSync(join(place.folder, 'box/sparse')).blocks).toBeLessThan(2_000_000);
});

test('a file that becomes shorter while it is sent is no file', { timeout: 60_000 }, async () => {
  write('file', randomBytes(1000));
  truncateSync(join(place.folder, 'file'), 3_000_000_000);
  const receiver = receive('--resume');
  const sending = start(place.folder, [
    'send',
    '--server-key',
    place.identity.fingerprint,
    'file',
    `127.0.0.1:${await portOf(receiver)}`,
  ]);
  place.undo.push(() => sending.stop('SIGKILL'));
  await expect.poll(parts, soon).toHaveLength(1);
  truncateSync(join(place.folder, 'file'), 2000);
  expect(await sending.ended).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('file became shorter while it was sent'),
  });
  expect(await receiver.ended).toMatchObject({ code: 4 });
});

test('standard input is not resumed', async () => {
  expect(await run(place.folder, 'send', '--resume', '--name', 'x', '-', '127.0.0.1:1')).toMatchObject({
    code: 2,
    stderr: 'secure-sockets: standard input cannot be read again: --resume takes files only\n',
  });
});

function write(name: string, bytes: Uint8Array): void {
  writeFileSync(join(place.folder, name), bytes);
}

function read(name: string): Buffer {
  return readFileSync(join(place.folder, 'box', name));
}

function box(): string[] {
  return readdirSync(join(place.folder, 'box')).sort();
}

function parts(): string[] {
  return box().filter((name) => name.endsWith('.part'));
}

async function send(receiver: Running, file: string, ...args: string[]): Promise<Outcome> {
  const to = `127.0.0.1:${await portOf(receiver)}`;
  return run(place.folder, 'send', '--server-key', place.identity.fingerprint, ...args, file, to);
}

/** Sends the first half of the content. Resolves when it is in the part. */
async function begin(
  receiver: Running,
  name: string,
  options: Parameters<typeof sender>[1] = {},
): Promise<SecureClient> {
  const client = await sender(receiver, options);
  await client.send(header(name, content.length, false));
  expect(letter(await client.recv())).toBe('A');
  await client.send(message('D', content.subarray(0, HALF)));
  await expect.poll(() => sizes(name), soon).toContain(HALF);
  return client;
}

/** The same, and vanishes; waits until the part is at rest. */
async function breakOff(
  receiver: Running,
  name: string,
  options: Parameters<typeof sender>[1] = { identity: place.clients[0] },
): Promise<void> {
  const client = await begin(receiver, name, options);
  client.destroy();
  await expect.poll(() => parts().some((part) => part.startsWith(`${nameOf(name)}-rest-`)), soon).toBe(true);
}

function sizes(name: string): number[] {
  const mine = parts().filter((part) => part.startsWith(nameOf(name)));
  return mine.map((part) => statSync(join(place.folder, 'box', part)).size);
}

function nameOf(name: string): string {
  return `.${sha256(Buffer.from(name)).toString('hex').slice(0, 16)}`;
}

function senderOf(fingerprint: string): string {
  return nameOf(fingerprint).slice(1);
}

function header(name: string, size: number, resume = true): Uint8Array {
  return message('F', JSON.stringify({ name, size, resume }));
}

function count(bytes: number): Uint8Array {
  const body = Buffer.alloc(8);
  body.writeBigUInt64BE(BigInt(bytes));
  return body;
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
