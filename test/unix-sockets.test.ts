import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SecureClient, SecureServer } from 'secure-sockets';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { identityFor, rejection } from './helpers/sockets.js';

const MAX = process.platform === 'linux' ? 107 : 103;
let folder: string;
const open: AsyncDisposable[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 's-'));
});
afterEach(async () => {
  for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

async function server(): Promise<SecureServer> {
  const made = new SecureServer({ identity: await identityFor('sealed') });
  open.push(made);
  return made;
}

/** A path of so many bytes. */
const pathOf = (bytes: number): string => join(folder, 'x'.repeat(bytes - folder.length - 1));

/** A socket file whose server was killed. */
async function leaveBehind(path: string): Promise<void> {
  const program = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'close');
  expect(existsSync(path)).toBe(true);
}

describe.skipIf(process.platform === 'win32')('the path of a Unix domain socket', () => {
  it('may be as long as the system can hold', async () => {
    const one = await server();
    await one.listen({ path: pathOf(MAX) });
    expect(one.address).toEqual({ path: pathOf(MAX) });
    const client = new SecureClient({ serverKey: one.fingerprint });
    await client.connect({ path: pathOf(MAX) });
    await client.close();
  });

  it.each([
    ['a byte', () => pathOf(MAX + 1)],
    ['much', () => pathOf(300)],
    ['its bytes, not its characters,', () => join(folder, '\u00fc'.repeat(60))],
  ])('that is %s too long is refused by both ends, and no file appears', async (_, make) => {
    const one = await server();
    const path = make();
    expect(await rejection(one.listen({ path }))).toMatchObject({
      code: 'BAD_ARGUMENT',
      message: expect.stringContaining(`at most ${MAX} bytes`),
    });
    const client = new SecureClient({ serverKey: `SHA256:${'A'.repeat(43)}` });
    expect(await rejection(client.connect({ path }))).toMatchObject({ code: 'BAD_ARGUMENT' });
    expect(existsSync(path.slice(0, MAX))).toBe(false);
  });
});

describe.skipIf(process.platform === 'win32')('a zero byte in the path of a Unix domain socket', () => {
  it.each(['a\0b', 'a\0', '\0abstract\0more'])(
    '%j is refused by both ends, and no file appears',
    async (name) => {
      const path = name.startsWith('\0') ? name : join(folder, name);
      const one = await server();
      const refusal = { code: 'BAD_ARGUMENT', message: expect.stringContaining('no zero byte') };
      expect(await rejection(one.listen({ path }))).toMatchObject(refusal);
      const client = new SecureClient({ serverKey: `SHA256:${'A'.repeat(43)}` });
      expect(await rejection(client.connect({ path }))).toMatchObject(refusal);
      expect(existsSync(join(folder, 'a'))).toBe(false);
    },
  );

  it.runIf(process.platform === 'linux')('that comes first is an abstract name of Linux', async () => {
    const one = await server();
    const path = `\0secure-sockets-${process.pid}`;
    await one.listen({ path });
    const client = new SecureClient({ serverKey: one.fingerprint });
    await client.connect({ path });
    await client.close();
  });
});

describe.skipIf(process.platform === 'win32')('a socket file that is there already', () => {
  it('and that a killed server has left is named, and removed on request', async () => {
    const path = join(folder, 'left');
    await leaveBehind(path);
    const one = await server();
    expect(await rejection(one.listen({ path }))).toMatchObject({
      code: 'EADDRINUSE',
      message: expect.stringMatching(/left.*no one listens.*unlink: true/),
    });
    await one.listen({ path, unlink: true });
    const client = new SecureClient({ serverKey: one.fingerprint });
    await client.connect({ path });
    await client.close();
  });

  it('and at which a program listens is left alone', async () => {
    const path = join(folder, 'taken');
    const first = await server();
    await first.listen({ path });
    const second = await server();
    const error = await rejection(second.listen({ path, unlink: true }));
    expect(error).toMatchObject({ code: 'EADDRINUSE' });
    expect(error.message).not.toContain('no one listens');
    const client = new SecureClient({ serverKey: first.fingerprint });
    await client.connect({ path });
    await client.close();
  });

  it.each([
    ['a file', (path: string) => writeFileSync(path, 'precious')],
    ['a folder', (path: string) => mkdirSync(path)],
    ['a link to a file', (path: string) => symlinkSync(`${path}-target`, path)],
  ])('but is %s is never removed', async (_, make) => {
    const path = join(folder, 'other');
    writeFileSync(`${path}-target`, 'precious');
    make(path);
    const one = await server();
    expect(await rejection(one.listen({ path, unlink: true }))).toMatchObject({ code: 'EADDRINUSE' });
    expect(existsSync(path)).toBe(true);
  });

  it('is nothing that a client may remove', async () => {
    const client = new SecureClient({ serverKey: `SHA256:${'A'.repeat(43)}` });
    const to = { path: join(folder, 'x'), unlink: true };
    expect(await rejection(client.connect(to))).toMatchObject({ code: 'BAD_ARGUMENT' });
  });
});

it('a name whose addresses all refuse is told with what each of them said', async () => {
  const unused = await server();
  await unused.listen({ host: '127.0.0.1', port: 0 });
  const { port } = unused.address as { port: number };
  await unused.close();
  const client = new SecureClient({ serverKey: `SHA256:${'A'.repeat(43)}` });
  const error = await rejection(client.connect({ host: 'localhost', port }));
  expect(error).toMatchObject({ code: 'ECONNREFUSED' });
  expect(error.message).toMatch(/127\.0\.0\.1/);
  expect(error.message).toContain(String(port));
  expect(error.message).toContain('ECONNREFUSED');
});
