import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { portOf, start } from './command.js';
import { letter, message, receive, sender, useBox } from './transfers.js';

// Folders that `send -r` sends: as they are, empty ones too, and none that the receiver had before is changed.

const box = useBox();

test('folders keep their times and permission bits, whatever is in them', async () => {
  const tree = join(box.folder, 'tree');
  for (const path of ['empty', 'private', 'full/deep']) mkdirSync(join(tree, path), { recursive: true });
  writeFileSync(join(tree, 'full/deep/file'), 'content');
  writeFileSync(join(tree, 'old'), '');
  const times = { old: -315_619_200, empty: 978_307_200, private: 1e9, 'full/deep': 1.1e9, full: 1.2e9 };
  const modes = { old: 0o604, empty: 0o711, private: 0o700, 'full/deep': 0o555, full: 0o750 };
  for (const [path, time] of Object.entries(times))
    utimesSync(join(tree, path), new Date(1000 * time), new Date(1000 * time));
  for (const [path, mode] of Object.entries(modes)) chmodSync(join(tree, path), mode);
  await send(box, receive('-r'), '-r', 'tree');
  const kept = Object.keys(times).map((path) => {
    const { mode, mtimeMs } = statSync(join(box.folder, 'box/tree', path));
    return [path, mtimeMs / 1000, mode & 0o777];
  });
  expect(kept).toEqual(Object.entries(times).map(([path, time]) => [path, time, modes[path as 'old']]));
  chmodSync(join(tree, 'full/deep'), 0o755);
  chmodSync(join(box.folder, 'box/tree/full/deep'), 0o755);
});

test.each([
  ['the sender', ['-r'], ['-r', '--no-preserve']],
  ['the receiver', ['-r', '--no-preserve'], ['-r']],
])('unless %s does not want that', async (_, receiving, sending) => {
  mkdirSync(join(box.folder, 'tree'), { mode: 0o700 });
  utimesSync(join(box.folder, 'tree'), 1e9, 1e9);
  await send(box, receive(...receiving), ...sending, 'tree');
  const { mode, mtimeMs } = statSync(join(box.folder, 'box/tree'));
  expect(mode & 0o777).toBe(0o777 & ~process.umask());
  expect(Date.now() - mtimeMs).toBeLessThan(60_000);
});

test('"." and ".." have the name of the folder that they are', async () => {
  mkdirSync(join(box.folder, 'tree/sub'), { recursive: true });
  writeFileSync(join(box.folder, 'tree/sub/file'), 'content');
  await send(box, receive('-r'), '-r', 'tree/sub/..', 'tree/sub/.');
  expect(readdirSync(join(box.folder, 'box'), { recursive: true }).sort()).toEqual([
    'sub',
    'sub/file',
    'tree',
    'tree/sub',
    'tree/sub/file',
  ]);
});

test('a folder that was there before stays as it is', async () => {
  const there = join(box.folder, 'box/tree');
  mkdirSync(there);
  chmodSync(there, 0o711);
  utimesSync(there, 1e9, 1e9);
  mkdirSync(join(box.folder, 'tree'), { mode: 0o700 });
  await send(box, receive('-r'), '-r', 'tree');
  const { mode, mtimeMs } = statSync(there);
  expect([mode & 0o777, mtimeMs]).toEqual([0o711, 1e12]);
});

test.each([
  ['..', 'must not begin with a dot'],
  ['a/../../b', 'must not begin with a dot'],
  ['/tmp/a', '1 to 255 bytes'],
  ['', '1 to 255 bytes'],
  ['link', 'there is a file of that name'],
  ['link/a', 'there is a file of that name'],
  ['file', 'there is a file of that name'],
  ['file/a', 'there is a file of that name'],
])('a sender cannot make the folder %j', async (name, reason) => {
  mkdirSync(join(box.folder, 'away'));
  symlinkSync('../away', join(box.folder, 'box/link'));
  writeFileSync(join(box.folder, 'box/file'), '');
  const client = await sender(receive('-r', '-k'));
  await client.send(message('M', JSON.stringify({ name, mode: 0o777, modified: 0 })));
  const answer = Buffer.from((await client.recv()) ?? []).toString();
  expect(answer).toMatch(/^R/);
  expect(answer).toContain(reason);
  expect(readdirSync(join(box.folder, 'away'))).toEqual([]);
  expect(readdirSync(join(box.folder, 'box')).sort()).toEqual(['file', 'link']);
});

test('nor change one by what it says of it', async () => {
  const client = await sender(receive('-r', '-k'));
  const make = async (folder: object): Promise<string> => {
    await client.send(message('M', JSON.stringify({ name: 'made', ...folder })));
    return letter(await client.recv());
  };
  expect(await make({ mode: 0 })).toBe('K');
  const path = join(box.folder, 'box/made');
  expect(statSync(path).mode & 0o777).toBe(0o700);
  for (const modified of [1e300, -1e300, 8.64e15 + 1, 0.5, '0', null, {}, [], true])
    expect(await make({ mode: 0o777, modified })).toBe('K');
  expect(statSync(path).mode & 0o777).toBe(0o700);
  expect(await make({ mode: 0o7777, modified: 0 })).toBe('K');
  expect([statSync(path).mode & 0o7777, statSync(path).mtimeMs]).toEqual([0o777, 0]);
});

test.each(['{', '[]', 'null', '{}', '{"name":1}'])('%s announces no folder', async (body) => {
  const receiver = receive('-r');
  const client = await sender(receiver);
  await client.send(message('M', body));
  await expect(client.recv()).rejects.toThrow();
  const { code, stderr } = await receiver.ended;
  expect([code, stderr]).toEqual([4, expect.stringContaining('announced a folder in a way')]);
});

test('a receiver without -r makes none', async () => {
  const client = await sender(receive());
  await client.send(message('M', JSON.stringify({ name: 'made' })));
  expect(Buffer.from((await client.recv()) ?? []).toString()).toBe(
    'Rit is a folder: those are received with -r',
  );
  expect(existsSync(join(box.folder, 'box/made'))).toBe(false);
});

async function send(
  { folder, identity }: typeof box,
  receiver: ReturnType<typeof receive>,
  ...args: string[]
): Promise<void> {
  const address = `127.0.0.1:${await portOf(receiver)}`;
  const running = start(folder, ['send', '--server-key', identity.fingerprint, ...args, address]);
  expect(await running.ended).toMatchObject({ code: 0, stderr: '' });
}
