import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AuthorizedKeys,
  connect,
  Identity,
  KnownHosts,
  listen,
  SecureClient,
  SecureServer,
  SecureSocketError,
} from 'secure-sockets';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { emitWarning } from '../src/callbacks.js';
import { badArgument, printable, quote } from '../src/errors.js';
import { run } from './cli/command.js';

/** Colours, an erased line, a line of a log, text that runs the other way, none that is seen, and much of it. */
const hostile = `a\u001b[2K\r\nsecure-sockets: all is well\u202e\u2028\u200b\u0085\ufeff\ud800${'x'.repeat(5000)}`;
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

describe('a text that came from elsewhere', () => {
  it('is quoted short, with what is not seen as JSON writes it', () => {
    expect(quote('host\n"\u001b[31m"')).toBe('"host\\n\\"\\u001b[31m\\""');
    expect(quote('\u202e\u0085\ufeff\u{e0041}')).toBe('"\\u202e\\u0085\\ufeff\\udb40\\udc41"');
    expect(quote('é ü 漢字 😀')).toBe('"é ü 漢字 😀"');
    expect(quote('y'.repeat(100))).toBe(`"${'y'.repeat(100)}"`);
    expect(quote('y'.repeat(101))).toBe(`"${'y'.repeat(100)}..."`);
    expect(quote('y'.repeat(1_000_000)).length).toBeLessThan(120);
  });

  it('is named if it is none', () => {
    expect([undefined, null, 5n, Symbol('s'), {}, [], () => {}].map(quote)).toEqual([
      'undefined',
      'null',
      '5',
      'Symbol(s)',
      'an object of class Object',
      'an object of class Array',
      'function',
    ]);
  });

  it('makes no error text longer than it may be, or of more than one line', () => {
    expect(printable('one\nline\ttext\r')).toBe('one\\nline\\ttext\\r');
    expect(printable('y'.repeat(2000))).toBe('y'.repeat(2000));
    const long = printable(`begin ${'y'.repeat(10_000)} end`);
    expect(long).toMatch(/^begin y+ \.\.\. y+ end$/);
    expect(long.length).toBe(2005);
  });

  it('is made harmless in every error of the library', () => {
    for (const { message } of [new SecureSocketError('CLOSED', hostile), badArgument(hostile)]) {
      expect(message).not.toMatch(UNSEEN);
      expect(message.length).toBeLessThan(2100);
    }
  });

  it('is made harmless in its warnings', async () => {
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    emitWarning(hostile, { code: 'SECURE_SOCKETS_TEST' });
    expect((await warned).message).not.toMatch(UNSEEN);
  });
});

const none = new Uint8Array();
const calls: [name: string, call: () => unknown][] = [
  ['an option', () => new SecureClient({ [hostile]: 1 } as object)],
  ["an option's value", () => new SecureServer({ protocol: hostile } as object)],
  ["an option's short value", () => new SecureServer({ protocol: hostile.slice(0, 30) } as object)],
  ['a serverKey', () => new SecureClient({ serverKey: hostile })],
  ['an option of a method', () => new SecureClient().send(none, { [hostile]: 1 } as object)],
  ['a host', () => connect({ port: 1, host: hostile }, { serverKey: `SHA256:${'A'.repeat(43)}` })],
  ['a path', () => listen({ path: hostile.replaceAll('\0', '') })],
  ['a file', () => Identity.load(hostile)],
  ['a role', () => Identity.generate({ role: hostile } as never)],
  ['a role that is no text', () => Identity.generate({ role: 5n } as never)],
  ['text of a key', () => Identity.fromPem(`-----BEGIN ${hostile}`)],
  ['authorised keys', () => new AuthorizedKeys([hostile])],
  ['authorised keys, their names', () => new AuthorizedKeys([`SHA256:${'A'.repeat(43)} ${hostile}`])],
  ['a file of known hosts', () => new KnownHosts({ path: 'none', mode: hostile } as never)],
  ['a known host', () => new KnownHosts({ load: () => '', save: () => {} }).add(hostile, 1, 'x')],
  ['a line of known hosts', () => new KnownHosts({ load: () => hostile, save: () => {} }).list()],
];

it.each(calls)('an error about %s is one short line, whatever is in it', async (_, call) => {
  const error = await Promise.resolve()
    .then(call)
    .then(
      () => undefined,
      (thrown: unknown) => thrown as Error & { errno?: number },
    );
  expect(error).toBeInstanceOf(Error);
  // those of the system pass as they are
  if (error?.errno !== undefined) return;
  expect(error?.message).not.toMatch(UNSEEN);
  expect(error?.message.length).toBeLessThan(2100);
});

const argument = hostile.replace('\ud800', '');
const commands: readonly string[][] = [
  [argument],
  ['connect', `--${argument}`],
  ['connect', argument],
  ['connect', `ws://${argument}`],
  ['connect', 'a', argument],
  ['connect', '--server-key', argument, '127.0.0.1:1'],
  ['connect', '--known-hosts', argument, '127.0.0.1:1'],
  ['connect', '--protocol', argument, '127.0.0.1:1'],
  ['connect', '--handshake-timeout', argument, '127.0.0.1:1'],
  ['listen', '--identity', argument, '127.0.0.1:0'],
  ['listen', '--log-format', argument, '127.0.0.1:0'],
  ['listen', '--authorized-keys', argument, '127.0.0.1:0'],
  ['fingerprint', argument],
  ['keygen', '-o', join(argument, 'key')],
  ['send', '127.0.0.1:1', argument],
  ['tunnel', argument],
  ['tunnel', 'client', '--target', argument, '127.0.0.1:0', '127.0.0.1:1'],
  ['tunnel', '--config', argument],
  ['bridge', argument],
  ['known-hosts', argument],
  ['known-hosts', 'add', argument, argument],
  ['help', argument],
];

describe('the command, given such an argument', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'secure-sockets-hostile-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('says so in short lines of text', { timeout: 60_000 }, async () => {
    for (const args of commands) {
      const { code, stderr } = await run(folder, ...args);
      expect([args[0], code]).toEqual([args[0], 2]);
      const lines = stderr.trimEnd().split('\n');
      expect(lines.filter((line) => UNSEEN.test(line) || line.length > 2100)).toEqual([]);
      for (const line of lines) expect(line).toMatch(/^(secure-sockets|hint): (?!all is well)/);
    }
  });

  it('says the same as JSON', async () => {
    const { stderr } = await run(folder, 'listen', '--log-format', 'json', '--identity', argument, 'a:1');
    expect(stderr.trimEnd()).not.toMatch(UNSEEN);
    const { message } = JSON.parse(stderr) as { message: string };
    // Bun cuts the path, and the quote behind it
    expect(message).toMatch(/^the key file cannot be read: ENAMETOOLONG: name too long, open 'a.*[x']$/);
    expect(message).not.toMatch(UNSEEN);
  });
});
