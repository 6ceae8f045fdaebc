import { createHash, createPublicKey } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { forge } from '../backends/forge.js';
import { noble } from '../backends/noble.js';
import { node } from '../backends/node.js';
import { sodium } from '../backends/sodium.js';
import { web } from '../backends/web.js';
import { Identity, SecureClient, SecureServer } from '../src/index.js';
import {
  type PythonPeer,
  pythonIsRequired,
  pythonProblem,
  runPython,
  startPython,
} from './helpers/python.js';

// The other end is Python on the libraries of the original: rsa, pickle, pycryptodome (test/interop/*.py).

const backends = [node, sodium, web, forge, noble];
const keyLengths = [16, 24, 32] as const;
const sizes = [0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1000, 16_384, 65_536, 2 ** 20];
const weak = { protocol: 'classic', minModulusBits: 512 } as const;
const sizesJson = JSON.stringify(sizes);

if (pythonProblem) console.warn(`SKIPPED: all of test/interop.test.ts. ${pythonProblem}`);

test('the Python libraries are there', ({ skip }) => {
  if (pythonProblem && !pythonIsRequired) skip(pythonProblem);
  expect(pythonProblem).toBeUndefined();
});

describe.skipIf(pythonProblem)('a Python server with a key of 512 bits', () => {
  interface Ready {
    readonly n: string;
    readonly e: number;
    readonly ports: Readonly<Record<string, number>>;
  }
  let echo: PythonPeer<Ready>;
  let greeter: PythonPeer<Ready>;

  beforeAll(async () => {
    [echo, greeter] = await Promise.all([
      startPython<Ready>('server.py', 'echo', sizesJson),
      startPython<Ready>('server.py', 'exchange', sizesJson),
    ]);
  });

  // A thread of the peer that fails writes its traceback.
  afterAll(async () => {
    for (const peer of [echo, greeter]) expect(await peer?.stop()).toMatchObject({ code: 0, stderr: '' });
  });

  describe.each(backends)('and our client on $name', (backend) => {
    const cases = [2, 3, 4, 5].flatMap((pickle) => keyLengths.map((keyLength) => ({ pickle, keyLength })));

    test.each(cases)('pickle $pickle, key of $keyLength bytes: every message comes back', async (each) => {
      await using client = new SecureClient({ ...weak, backend, keyLength: each.keyLength });
      await client.connect({ host: '127.0.0.1', port: portOf(echo.ready, each.pickle) });
      for (const size of sizes) {
        await client.send(content('ours', size));
        expectContent(await client.recv(), 'ours', size);
      }
      await client.end();
      expect(await client.recv()).toBeNull();
    });

    test('messages cross in both directions at once', async () => {
      await using client = new SecureClient({ ...weak, backend });
      await client.connect({ host: '127.0.0.1', port: portOf(greeter.ready, 4) });
      expect(await exchange(client)).toEqual({ right: sizes.length, keyLength: 32, failed: [] });
      expect(await client.recv()).toBeNull();
    });

    test('its key has the fingerprint that OpenSSL computes, and may be pinned', async () => {
      const { n, e, ports } = echo.ready;
      const fingerprint = opensslFingerprint(n, e);
      const to = { host: '127.0.0.1', port: ports['2'] as number };
      await using client = new SecureClient({ ...weak, backend, serverKey: fingerprint });
      await client.connect(to);
      expect(client.peer?.fingerprint).toBe(fingerprint);
      const other = opensslFingerprint(greeter.ready.n, e);
      const refused = new SecureClient({ ...weak, backend, serverKey: other });
      await expect(refused.connect(to)).rejects.toMatchObject({ code: 'UNTRUSTED_SERVER', fingerprint });
    });

    test('its key is refused unless minModulusBits admits it', async () => {
      const client = new SecureClient({ protocol: 'classic', backend });
      await expect(client.connect({ host: '127.0.0.1', port: portOf(echo.ready, 4) })).rejects.toMatchObject({
        code: 'BAD_KEY',
        message: expect.stringContaining('minModulusBits: 512'),
      });
    });
  });

  function portOf({ ports }: Ready, pickle: number): number {
    const port = ports[pickle];
    if (port === undefined) throw new Error(`no port for pickle protocol ${pickle}`);
    return port;
  }
});

describe.skipIf(pythonProblem)('a Python client', () => {
  describe.each(backends)('and our server on $name with a key of 2048 bits', (backend) => {
    let identity: Identity;

    beforeAll(async () => {
      identity = await Identity.generate({ role: 'classic-server', modulusLength: 2048, backend });
    }, 60_000);

    test.each(keyLengths)('key of %i bytes: every message comes back', async (keyLength) => {
      await serve(keyLength, 'echo', async (client) => {
        for await (const message of client) await client.send(message);
      });
    });

    test('messages cross in both directions at once', async () => {
      await serve(32, 'exchange', async (client) => {
        expect(await exchange(client)).toEqual({ right: sizes.length, keyLength: 32, failed: [] });
        expect(await client.recv()).toBeNull();
      });
    });

    /** Serves one Python client, which judges what it gets. */
    async function serve(
      keyLength: 16 | 24 | 32,
      mode: string,
      handle: (client: SecureClient) => Promise<void>,
    ): Promise<void> {
      await using server = new SecureServer({ protocol: 'classic', backend, keyLength, identity });
      await server.listen({ host: '127.0.0.1', port: 0 });
      const { port } = server.address as { port: number };
      const outcome = runPython('client.py', String(port), String(keyLength), mode, sizesJson);
      const client = await server.accept({ signal: AbortSignal.timeout(20_000) });
      await handle(client);
      await client.close();
      expect(await outcome).toEqual({ code: 0, signal: null, stdout: `${sizes.length} right\n`, stderr: '' });
    }
  });
});

/** Sends every size unasked while as many arrive; returns what the peer says of those it got. */
async function exchange(client: SecureClient): Promise<unknown> {
  const sent = Promise.all(sizes.map((size) => client.send(content('ours', size))));
  for (const size of sizes) expectContent(await client.recv(), 'python', size);
  await sent;
  return JSON.parse(new TextDecoder().decode((await client.recv()) ?? undefined));
}

function content(name: string, size: number): Uint8Array {
  return createHash('shake128', { outputLength: size }).update(`${name} ${size}`).digest();
}

function expectContent(message: Uint8Array | null, name: string, size: number): void {
  expect(message?.length).toBe(size);
  expect(Buffer.compare(content(name, size), message as Uint8Array) === 0, `content of ${size} bytes`).toBe(
    true,
  );
}

function opensslFingerprint(n: string, e: number): string {
  const bytes = (hex: string): string =>
    Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex').toString('base64url');
  const jwk = { kty: 'RSA', n: bytes(n.replace('0x', '')), e: bytes(e.toString(16)) };
  const spki = createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'der' });
  return `SHA256:${createHash('sha256').update(spki).digest('base64').replace(/=+$/, '')}`;
}
