import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import { fromDuplex, SecureClient, SecureServer } from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { keep, keptPairs } from './helpers/kept.js';
import {
  clientOf,
  identityFor,
  portOf,
  protocols,
  rawConnection,
  rejection,
  startListening,
} from './helpers/sockets.js';
import { bytes, text } from './helpers/texts.js';

describe.each(protocols)('%s', (protocol) => {
  const connectPair = keptPairs(protocol);

  describe('connecting', () => {
    it('passes on the system error when refused', async () => {
      const server = await startListening(protocol);
      const port = portOf(server);
      const client = clientOf(server, { protocol });
      await server.close();
      expect((await rejection(client.connect({ port, host: '127.0.0.1' }))).code).toBe('ECONNREFUSED');
    });

    it('is bounded by handshakeTimeout', async () => {
      const silent = createServer((socket) => socket.on('error', () => {}));
      silent.listen(0, '127.0.0.1');
      await once(silent, 'listening');
      const address = silent.address() as { port: number };
      const server = keep(await startListening(protocol));
      const client = clientOf(server, { protocol, handshakeTimeout: 150 });
      expect((await rejection(client.connect({ port: address.port, host: '127.0.0.1' }))).code).toBe(
        'HANDSHAKE_TIMEOUT',
      );
      silent.close();
    });

    it('can be aborted at any time', async () => {
      const silent = createServer((socket) => socket.on('error', () => {}));
      silent.listen(0, '127.0.0.1');
      await once(silent, 'listening');
      const { port } = silent.address() as { port: number };
      const server = keep(await startListening(protocol));
      const reason = new Error('changed my mind');
      expect(
        await rejection(
          clientOf(server, { protocol }).connect(
            { port, host: '127.0.0.1' },
            { signal: AbortSignal.abort(reason) },
          ),
        ),
      ).toBe(reason);
      const controller = new AbortController();
      const connecting = clientOf(server, { protocol }).connect(
        { port, host: '127.0.0.1' },
        { signal: controller.signal },
      );
      setTimeout(() => controller.abort(reason), 60);
      expect(await rejection(connecting)).toBe(reason);
      silent.close();
    });

    it('works over IPv6, Unix domain sockets and any Duplex', async () => {
      const identity = await identityFor(protocol);
      const addresses = [
        { port: 0, host: '::1' },
        { path: join(mkdtempSync(join(tmpdir(), 'ss-')), 'socket') },
      ];
      for (const address of addresses) {
        const server = keep(new SecureServer({ protocol, identity }));
        await server.bind(address);
        await server.listen();
        const client = clientOf(server, { protocol });
        await client.connect('path' in address ? address : { port: portOf(server), host: '::1' });
        const peer = await server.accept();
        await peer.send(bytes('hello'));
        expect(text(await client.recv())).toBe('hello');
        expect(client.remoteAddress).toBe('path' in address ? undefined : '::1');
        await client.close();
      }
      if (duplexPair === undefined) return;
      const server = keep(await startListening(protocol));
      const [ours, theirs] = duplexPair({ allowHalfOpen: true });
      const upstream = await rawConnection(server);
      theirs.pipe(upstream).pipe(theirs);
      const client = clientOf(server, { protocol });
      await client.connect(fromDuplex(ours));
      const peer = await server.accept();
      await client.send(randomBytes(200_000));
      expect((await peer.recv())?.length).toBe(200_000);
      await client.close();
    });

    it('happens once a client', async () => {
      const { client, server } = await connectPair();
      expect((await rejection(client.connect({ port: portOf(server) }))).code).toBe('ALREADY_CONNECTED');
    });

    it('tells where it goes', async () => {
      const { client, peer, server } = await connectPair();
      expect(client.remotePort).toBe(portOf(server));
      expect(client.localPort).toBe(peer.remotePort);
      expect(client.remoteAddress).toBe('127.0.0.1');
      expect(client.localAddress).toBe('127.0.0.1');
      expect(client.protocol).toBe(protocol);
      expect(client.backend).toBe('node');
      await client.send(bytes('count me'));
      await peer.recv();
      expect(client.bytesWritten).toBeGreaterThan(30);
      expect(peer.bytesRead).toBe(client.bytesWritten);
    });
  });
});

describe('options', () => {
  it.each([
    [{ port: 5 }, 'no option "port"'],
    [{ keylength: 32 }, 'did you mean keyLength'],
    [{ MAXMESSAGE: 32 }, 'did you mean maxMessage?'],
    [{ pinginterval_: 'x' }, 'did you mean pingInterval?'],
    [{ highwatermrk: 5 }, 'did you mean highWaterMark?'],
    [{ [`maxMessage${'y'.repeat(100_000)}`]: 5 }, 'it knows protocol, backend'],
    [{ backend: 'noble' }, "import { noble } from 'secure-sockets/backends/noble'"],
    [{ maxMessage: -1 }, 'maxMessage must be a whole number of bytes'],
    [{ maxMessage: 1.5 }, 'maxMessage'],
    [{ handshakeTimeout: 0 }, 'handshakeTimeout'],
    [{ protocol: 'tls' }, 'protocol must be one of "sealed", "classic"'],
    [{ protocol: 'classic', keyLength: 20 }, 'keyLength must be one of 16, 24, 32'],
    [{ keyLength: 32 }, 'keyLength belongs to the classic protocol'],
    [{ protocol: 'classic', suites: ['X25519'] }, 'suites belongs to the sealed protocol'],
    [{ protocol: 'classic', maxMessage: 2 ** 30 }, 'at most 999999967'],
    [{ suites: [] }, 'each once, most wanted first, not an empty array'],
    [{ suites: ['X25519', 'X25519'] }, 'not an array of "X25519", "X25519"'],
    [{ suites: ['X448', 1, [2], {}] }, 'not an array of "X448", 1, an array, more'],
    [
      { maxMessage: () => 'a secret' },
      'maxMessage must be a whole number of bytes from 1024 to 2147483647 in sealed, not function',
    ],
    [{ allowHalfOpen: 'yes' }, 'allowHalfOpen must be true or false, not "yes"'],
  ])('are checked at construction: %j', (options, expected) => {
    for (const Class of [SecureServer, SecureClient]) {
      expect(() => new Class(options as never)).toThrow(
        expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining(expected) }),
      );
    }
  });

  it('that exclude each other or lack another are refused', () => {
    const wrong: [() => unknown, string][] = [
      [
        () => new SecureClient({ serverKey: `SHA256:${'A'.repeat(43)}`, verifyServer: () => true }),
        'serverKey and verifyServer',
      ],
      [() => new SecureServer({ clientAuth: 'required' }), 'needs authorizedKeys or verifyClient'],
      [() => new SecureServer({ clientAuth: 'optional' }), 'needs authorizedKeys or verifyClient'],
      [() => new SecureServer({ clientAuth: 'none', verifyClient: () => true }), 'have no use'],
      [() => new SecureServer({ authorizedKeys: [] }), 'one or more fingerprints such as'],
      [() => new SecureServer({ authorizedKeys: [''] }), 'not an array of ""'],
      [() => new SecureClient({ serverKey: [] }), 'at least one, not an empty array'],
      [() => new SecureClient(5 as never), 'takes an object of options'],
    ];
    for (const [make, expected] of wrong) {
      expect(make).toThrow(
        expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining(expected) }),
      );
    }
  });
});
