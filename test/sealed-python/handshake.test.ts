import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { sealedPythonProblem } from '../helpers/python.js';
import {
  admitOnly,
  connectTo,
  expectEnd,
  identities,
  keyFile,
  numbers,
  pythonClient,
  pythonServer,
  suites,
  useIdentities,
} from '../helpers/sealed-python.js';
import { rejection, startListening } from '../helpers/sockets.js';

describe.skipIf(sealedPythonProblem)('a handshake with Python', { timeout: 60_000 }, () => {
  useIdentities();

  describe('who may speak with whom', () => {
    it.each([
      { name: 'another key', key: 'other' as const },
      { name: 'no key at all', key: undefined },
    ])('our server refuses a Python client with $name', async ({ key }) => {
      const errors: unknown[] = [];
      await using server = await startListening('sealed', {
        ...admitOnly([identities.client.fingerprint]),
        onHandshakeError: (error) => errors.push((error as { code?: string }).code),
      });
      const told = await pythonClient(server, { do: 'listen', ...(key && { key: keyFile(key) }) });
      expect(told.code).toBe('UNAUTHORIZED_CLIENT');
      expect(errors).toEqual(['UNAUTHORIZED_CLIENT']);
    });

    it('a Python server refuses unknown clients, also where identities are optional', async () => {
      const authorized = [identities.client.fingerprint];
      for (const clients of ['required', 'optional']) {
        const peer = await pythonServer({ do: 'listen', clients, authorized, times: 2 });
        expect(await rejection(connectTo(peer, { identity: identities.other }))).toMatchObject({
          code: 'UNAUTHORIZED_CLIENT',
        });
        expect(await peer.next()).toMatchObject({ code: 'UNAUTHORIZED_CLIENT' });
        const anonymous = await connectTo(peer).catch((error) => error);
        if (clients === 'required') expect(anonymous).toMatchObject({ code: 'UNAUTHORIZED_CLIENT' });
        else await anonymous.close();
        await peer.next();
        await expectEnd(peer);
      }
    });

    it('a client shows its key only to a server that asks', async () => {
      await using server = await startListening('sealed');
      const accepted = server.accept();
      const client = pythonClient(server, { do: 'leave', key: keyFile('client') });
      expect((await accepted).peer).toBeNull();
      expect((await client).code).toBeUndefined();
      const peer = await pythonServer({ do: 'leave' });
      const ours = await connectTo(peer, { identity: identities.client });
      await ours.close();
      expect(await peer.next()).toMatchObject({ peer: null });
      await expectEnd(peer);
    });

    it('a Python client refuses a server with another key, and names it', async () => {
      await using server = await startListening('sealed', { onHandshakeError: () => {} });
      const told = await pythonClient(server, { pin: identities.other.fingerprint, do: 'listen' });
      expect(told.code).toBe('UNTRUSTED_SERVER');
      expect(told.text).toContain(identities.server.fingerprint);
    });

    it('takes fingerprints as they come out of a file, with what ends the line', async () => {
      await using server = await startListening('sealed');
      const pin = `${identities.server.fingerprint}\n`;
      expect((await pythonClient(server, { pin, do: 'leave' })).code).toBeUndefined();
      const authorized = [`${identities.client.fingerprint}\r\n`];
      const peer = await pythonServer({ do: 'leave', clients: 'required', authorized });
      const ours = await connectTo(peer, { identity: identities.client });
      await ours.close();
      expect(await peer.next()).toMatchObject({ peer: identities.client.fingerprint });
      await expectEnd(peer);
    });

    it('a key serves one role only', async () => {
      await using server = await startListening('sealed');
      expect((await pythonClient(server, { do: 'listen', key: keyFile('server') })).code).toBe(
        'BAD_IDENTITY',
      );
    });
  });

  describe('suites', () => {
    it('a Python server takes the one it knows of those that our client offers', async () => {
      const peer = await pythonServer({ do: 'leave' });
      const client = await connectTo(peer, { suites: ['X25519MLKEM768', 'X25519'] });
      expect(client.suite).toBe('X25519');
      await client.close();
      await expectEnd(peer);
    });

    it.each([
      { name: 'our client to a Python server', of: 'client' },
      { name: 'a Python client to our server', of: 'server' },
    ])('of two that differ in the cipher the client decides: $name', async ({ of }) => {
      for (const order of [suites, suites.toReversed()]) {
        const opposite = order.toReversed().map((suite) => numbers[suite]);
        if (of === 'client') {
          const peer = await pythonServer({ do: 'leave', options: { suites: opposite } });
          const client = await connectTo(peer, { suites: order });
          expect(client.suite).toBe(order[0]);
          await client.close();
          await expectEnd(peer);
        } else {
          await using server = await startListening('sealed', { suites: order });
          const told = await pythonClient(server, { do: 'leave', options: { suites: opposite } });
          expect(told.suite).toBe(opposite[0]);
        }
      }
    });

    it('ends that have none in common both say so', async () => {
      const peer = await pythonServer({ do: 'leave' });
      expect(await rejection(connectTo(peer, { suites: ['X25519MLKEM768'] }))).toMatchObject({
        code: 'NO_COMMON_SUITE',
      });
      expect(await peer.next()).toMatchObject({ code: 'NO_COMMON_SUITE' });
      await expectEnd(peer);
      await using server = await startListening('sealed', {
        suites: ['X25519MLKEM768'],
        onHandshakeError: () => {},
      });
      expect((await pythonClient(server, { do: 'leave' })).code).toBe('NO_COMMON_SUITE');
    });
  });

  describe('what is no handshake', () => {
    it('a server of classic is told apart at once', async () => {
      await using server = await startListening('classic', { onHandshakeError: () => {} });
      expect((await pythonClient(server, { do: 'listen' })).code).toBe('NOT_SEALED');
    });

    it('a peer that says nothing is given up in time', async () => {
      const silent = createServer(() => {}).listen(0, '127.0.0.1');
      await once(silent, 'listening');
      const { port } = silent.address() as AddressInfo;
      expect((await pythonClient(port, { do: 'listen', options: { timeout: 0.5 } })).code).toBe(
        'HANDSHAKE_TIMEOUT',
      );
      silent.close();
    });

    it('nor does a peer that trickles extend the time', async () => {
      const peer = await pythonServer({ do: 'listen', options: { timeout: 0.5 } });
      const socket = connect({ port: peer.ready.port, host: '127.0.0.1' });
      socket.on('error', () => {});
      const bytes = Buffer.from('SEAL\x01\x01\x00\x47'.padEnd(79, '\0'), 'latin1');
      let at = 0;
      const timer = setInterval(() => socket.write(bytes.subarray(at, ++at)), 50);
      expect(await peer.next()).toMatchObject({ code: 'HANDSHAKE_TIMEOUT' });
      clearInterval(timer);
      socket.destroy();
      await expectEnd(peer);
    });
  });
});
