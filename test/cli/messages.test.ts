import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Identity, SecureServer } from 'secure-sockets';
import { expect, test } from 'vitest';
import { outcomeOf, root } from '../helpers/pack.js';
import { portOf as portOfServer } from '../helpers/sockets.js';
import { havePrograms, portOf, type Running, script } from './command.js';
import { begin, usePlace } from './place.js';

// `--messages`: whole messages on standard input and output.

const place = usePlace();
const messages = [
  new Uint8Array(0),
  Buffer.from('one'),
  Buffer.alloc(70_000, 7),
  new Uint8Array(0),
  Buffer.alloc(3_000_000, 9),
];

/** Two commands that carry messages, of which `listen` has none of its own. */
async function listenAndConnect(): Promise<{ server: Running; client: Running }> {
  const server = begin('listen', '--messages', '--identity', 'server.pem', '127.0.0.1:0');
  server.child.stdin?.end();
  const to = `127.0.0.1:${await portOf(server)}`;
  const client = begin('connect', '--messages', '--server-key', place.serverKey, to);
  return { server, client };
}

test('messages keep their borders through two commands, empty ones too', async () => {
  const { server, client } = await listenAndConnect();
  const received: Buffer[] = [];
  server.child.stdout?.removeAllListeners('data').setEncoding('latin1');
  server.child.stdout?.on('data', (text: string) => received.push(Buffer.from(text, 'latin1')));
  client.child.stdin?.end(Buffer.concat(messages.flatMap((message) => [lengthOf(message), message])));
  expect(await client.ended).toMatchObject({ code: 0 });
  expect(await server.ended).toMatchObject({ code: 0 });
  expect(
    Buffer.compare(Buffer.concat(received), Buffer.concat(messages.flatMap((one) => [lengthOf(one), one]))),
  ).toBe(0);
});

test.each([
  [
    'a length without its message',
    Buffer.from([0, 0, 0, 5, 1, 2]),
    4,
    /ended inside a message, after 2 of 5 bytes/,
  ],
  ['half a length', Buffer.from([0, 0]), 4, /ended inside a message, after 2 of 4 bytes/],
  ['a length beyond all bounds', Buffer.from([255, 0, 0, 0]), 2, /announces a message of 4278190080 bytes/],
])('%s is an error at both ends', async (_, input, expected, text) => {
  const { server, client } = await listenAndConnect();
  client.child.stdin?.end(input);
  const { code, stderr } = await client.ended;
  expect(stderr).toMatch(text);
  expect(code).toBe(expected);
  expect(await server.ended).toMatchObject({ code: 4 });
});

test('--messages and --message-size exclude each other', async () => {
  expect(await begin('connect', '--messages', '--message-size', '5', '127.0.0.1:9').ended).toMatchObject({
    code: 2,
  });
});

test.skipIf(!havePrograms('python3'))('the Python of docs/python.md runs as written', async () => {
  const identity = await Identity.load(join(place.folder, 'server.pem'));
  const server = new SecureServer({ identity, authorizedKeys: { path: join(place.folder, 'keys') } });
  await server.listen({ host: '127.0.0.1', port: 0 });
  place.undo.push(() => server.close({ timeout: 100 }));
  void (async () => {
    for await (const client of server) for await (const message of client) await client.send(message);
  })().catch(() => {});
  const blocks = [
    ...readFileSync(join(root, 'docs/python.md'), 'utf8').matchAll(/^```python\n(.*?)^```$/gms),
  ];
  // those that import examples/python/sealed.py have a test of their own
  const own = blocks.map(([, block = '']) => block).filter((block) => !block.includes('from sealed import'));
  const program = own.join('\n');
  expect(program).toContain('class Sealed');
  const adapted = program
    .replace('server.example:9000', `127.0.0.1:${portOfServer(server)}`)
    .replace('SHA256:...', place.serverKey);
  const bin = join(place.folder, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'secure-sockets'), `#!/bin/sh\nexec ${process.execPath} ${script} "$@"\n`);
  chmodSync(join(bin, 'secure-sockets'), 0o755);
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
  const outcome = await outcomeOf(spawn('python3', ['-c', adapted], { cwd: place.folder, env }));
  expect(outcome).toMatchObject({ code: 0, stdout: "b'hello'\n", stderr: '' });
});

function lengthOf({ length }: Uint8Array): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt32BE(length);
  return header;
}
