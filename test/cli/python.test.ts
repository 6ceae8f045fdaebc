import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pythonIsRequired, pythonProblem, runPython, startPython } from '../helpers/python.js';
import { portOf, requireBuild, start } from './command.js';

// The command on one side, and on the other Python with the libraries of the original (test/interop/pipe.py).

const SIZE = 300_000;
const fromPython = createHash('shake128', { outputLength: SIZE })
  .update(`python ${SIZE}`)
  .digest()
  .toString('latin1');
const fromUs = Buffer.from(createHash('shake128', { outputLength: SIZE }).update('ours').digest('base64'));

if (pythonProblem) console.warn(`SKIPPED: all of test/cli/python.test.ts. ${pythonProblem}`);

test('the Python libraries are there', ({ skip }) => {
  if (pythonProblem && !pythonIsRequired) skip(pythonProblem);
  expect(pythonProblem).toBeUndefined();
});

describe.skipIf(pythonProblem)('--protocol classic', () => {
  let folder: string;
  beforeAll(async () => {
    await requireBuild();
    folder = mkdtempSync(join(tmpdir(), 'secure-sockets-python-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('listen with a Python client: all arrives both ways', async () => {
    const server = start(folder, ['listen', '--protocol', 'classic', '127.0.0.1:0']);
    const received = outputOf(server.child.stdout);
    server.child.stdin?.end(fromUs);
    const { code, stdout, stderr } = await runPython(
      'pipe.py',
      'client',
      String(await portOf(server)),
      `${SIZE}`,
    );
    expect([code, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toMatchObject(whatPythonGets);
    expect(await server.ended).toMatchObject({ code: 0 });
    expect((await received) === fromPython).toBe(true);
  });

  test('connect to a Python server with a key of 512 bits: all arrives both ways', async () => {
    const peer = await startPython<{ port: number }>('pipe.py', 'server', `${SIZE}`);
    const to = `127.0.0.1:${peer.ready.port}`;
    const client = start(folder, ['connect', '--protocol', 'classic', '--min-modulus-bits', '512', to]);
    const received = outputOf(client.child.stdout);
    client.child.stdin?.end(fromUs);
    expect(await client.ended).toMatchObject({ code: 0 });
    expect((await received) === fromPython).toBe(true);
    const { code, stdout, stderr } = await peer.stop();
    expect([code, stderr]).toEqual([0, '']);
    expect(JSON.parse(String(stdout.trim().split('\n').at(-1)))).toMatchObject(whatPythonGets);
  });
});

/** The original reads a message with one `recv`: those for it are short. */
const whatPythonGets = {
  length: fromUs.length,
  sha256: createHash('sha256').update(fromUs).digest('hex'),
  longest: 8192,
};

async function outputOf(stdout: NodeJS.ReadableStream | null): Promise<string> {
  let text = '';
  if (stdout === null) throw new Error('there is no output');
  stdout.removeAllListeners('data').setEncoding('latin1');
  for await (const piece of stdout) text += piece;
  return text;
}
