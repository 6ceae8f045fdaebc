import { connect } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Running, run } from './command.js';
import { begin, usePlace } from './place.js';

// `--log-level` and `--log-format`.

const place = usePlace();

/** A server that says all that it is asked for, about itself, a peer that it refuses and a client that it serves. */
async function serveLogged(...flags: string[]): Promise<Running> {
  const path = join(place.folder, 'log.sock');
  const server = begin('listen', '-k', '--unlink', '--identity', 'server.pem', ...flags, path);
  server.child.stdin?.end();
  while (!(await connectRefused(path))) expect(server.child.exitCode).toBe(null);
  const { code } = await run(place.folder, 'connect', '--server-key', place.serverKey, '--wait', '0', path);
  expect(code).toBe(0);
  await server.stop();
  return server;
}

/** Whether a server is there, and lets no one in who does not speak as it does. */
function connectRefused(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    let isThere = false;
    const peer = connect(path, () => {
      isThere = true;
      peer.end('GET / HTTP/1.0\r\n\r\n');
    });
    peer.on('error', () => {}).resume();
    peer.on('close', () => resolve(isThere));
  });
}

test.each([
  ['error', []],
  ['warning', ['refused']],
  ['info', ['listening', 'refused']],
  ['debug', ['listening', 'refused', 'connected']],
])('--log-level %s', async (level, expected) => {
  const lines = (await serveLogged('--log-level', level)).errors().trimEnd().split('\n').filter(Boolean);
  expect(lines.map((line) => /^secure-sockets: (\w+)/.exec(line)?.[1])).toEqual(expected);
});

test.each([
  [
    ['--log-format', 'json'],
    ['info listening', 'warning refused'],
  ],
  [
    ['--log-format', 'json', '-v'],
    ['info listening', 'warning refused', 'debug connected'],
  ],
  [['--json'], ['info listening', 'warning refused', 'debug connected']],
  [['--json', '--log-level', 'warning'], ['warning refused']],
])('%j gives each line a time and a level', async (flags, expected) => {
  const begun = new Date().toISOString();
  const lines = (await serveLogged(...flags)).errors().trimEnd().split('\n');
  const events = lines.map((line) => JSON.parse(line) as Record<string, string>);
  expect(events.map(({ level, event }) => `${level} ${event}`)).toEqual(expected);
  const times = events.map(({ time = '' }) => time);
  const ended = new Date().toISOString();
  expect([begun, ...times, ended].sort()).toEqual([begun, ...times, ended]);
  for (const time of times) expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});

test('a failure is told in the format that was asked for, whatever the level', async () => {
  const flags = ['--log-format', 'json', '--log-level', 'error', '--backend', 'gpu'];
  const { stderr, code } = await run(place.folder, 'listen', ...flags, '127.0.0.1:0');
  expect(code).toBe(2);
  expect(JSON.parse(stderr)).toMatchObject({ level: 'error', event: 'error', exitCode: 2 });
  const unknown = await run(place.folder, 'listen', '--log-format=json', '--frobnicate', '127.0.0.1:0');
  expect(JSON.parse(unknown.stderr)).toMatchObject({ level: 'error', exitCode: 2 });
  const wrong = await run(place.folder, 'listen', '--log-level', 'loud', '127.0.0.1:0');
  expect(wrong.stderr).toBe('secure-sockets: --log-level is error, warning, info, debug; not "loud"\n');
});
