import { describe, expect, it, test } from 'vitest';
import { forge } from '../../backends/forge.js';
import { noble } from '../../backends/noble.js';
import { node } from '../../backends/node.js';
import { sodium } from '../../backends/sodium.js';
import { FaultProxy } from '../helpers/proxy.js';
import { pythonIsRequired, sealedPythonProblem } from '../helpers/python.js';
import {
  admitOnly,
  connectTo,
  content,
  exchange,
  expectContent,
  expectEnd,
  exportHex,
  identities,
  keyFile,
  numbers,
  pythonClient,
  pythonServer,
  sizes,
  suites,
  useIdentities,
} from '../helpers/sealed-python.js';
import { portOf, rejection, startListening } from '../helpers/sockets.js';

// The other end is examples/python/sealed.py, which was written from docs/protocol.md (test/interop/sealed_peer.py).

if (sealedPythonProblem) console.warn(`SKIPPED: all of test/sealed-python. ${sealedPythonProblem}`);

test('the Python library is there', ({ skip }) => {
  if (sealedPythonProblem && !pythonIsRequired) skip(sealedPythonProblem);
  expect(sealedPythonProblem).toBeUndefined();
});

const backends = [node, sodium, forge, noble];

describe.skipIf(sealedPythonProblem)('messages to and from Python', { timeout: 60_000 }, () => {
  useIdentities();

  describe.each(suites)('in suite %s', (suite) => {
    const options = { suites: [numbers[suite]] };

    describe.each(backends)('a client and our server on $name', (backend) => {
      const serverOptions = { backend, suites: [suite] };

      it('brings every message and takes it back, under many keys, and ends', async () => {
        await using server = await startListening('sealed', serverOptions);
        const answered = server.accept().then(async (client) => {
          const key = exportHex(client);
          for await (const message of client) await client.send(message);
          await client.close();
          return [key, client.suite, client.closeCode, client.peer];
        });
        const told = await pythonClient(server, { do: 'ask', renew: true, options });
        const [key, ...rest] = await answered;
        expect(rest).toEqual([suite, 0, null]);
        expect(told).toMatchObject({
          suite: numbers[suite],
          exported: key,
          right: sizes.length,
          rest: 0,
          close_code: 0,
        });
      });

      it('exchanges messages in both directions at once, as a client that the server knows', async () => {
        const clientKeys = [identities.other.fingerprint, identities.client.fingerprint];
        await using server = await startListening('sealed', { ...serverOptions, ...admitOnly(clientKeys) });
        const served = server.accept().then(async (client) => {
          await exchange(client);
          await client.close();
          return client.peer?.fingerprint;
        });
        const told = await pythonClient(server, { do: 'exchange', key: keyFile('client'), options });
        expect(told).toMatchObject({ right: sizes.length, rest: 0, close_code: 0 });
        expect(await served).toBe(identities.client.fingerprint);
      });
    });

    describe.each(backends)('a server and our client on $name', (backend) => {
      const clientOptions = { backend, suites: [suite] };

      it('takes every message and sends it back, and ends', async () => {
        const peer = await pythonServer({ do: 'echo', options });
        const client = await connectTo(peer, clientOptions);
        for (const size of sizes) {
          client.rekey();
          await client.send(content('ours', size));
          expectContent(await client.recv(), 'ours', size);
        }
        const key = exportHex(client);
        await client.end();
        expect(await client.recv()).toBeNull();
        await client.close();
        const told = { suite: numbers[suite], exported: key, peer: null, count: sizes.length, close_code: 0 };
        expect(await peer.next()).toMatchObject(told);
        await expectEnd(peer);
      });

      it('exchanges messages in both directions at once, with a client it knows', async () => {
        const authorized = [identities.client.fingerprint];
        const peer = await pythonServer({ do: 'exchange', clients: 'required', authorized, options });
        const client = await connectTo(peer, { ...clientOptions, identity: identities.client });
        await exchange(client);
        await client.close();
        expect(await peer.next()).toMatchObject({ peer: authorized[0], right: sizes.length, rest: 0 });
        await expectEnd(peer);
      });
    });
  });

  describe.each([256, 5000, 'padme'] as const)('padding %s at both ends', (padding) => {
    const small = { maxRecord: 16_384 };
    const options = { padding, max_record: 20_000 };

    it('a Python client and our server hide lengths from each other, and take what is hidden', async () => {
      await using server = await startListening('sealed', { ...small, padding });
      const answered = server.accept().then(async (client) => {
        for await (const message of client) await client.send(message);
        await client.close();
      });
      const told = await pythonClient(server, { do: 'ask', renew: true, options });
      await answered;
      expect(told).toMatchObject({ right: sizes.length, rest: 0, close_code: 0 });
    });

    it('our client and a Python server do', async () => {
      const peer = await pythonServer({ do: 'exchange', options });
      const client = await connectTo(peer, { ...small, padding });
      await exchange(client);
      await client.close();
      expect(await peer.next()).toMatchObject({ right: sizes.length, rest: 0 });
      await expectEnd(peer);
    });
  });

  it('a Python end fills records up to the grain, as ours does', async () => {
    await using server = await startListening('sealed', { padding: 'padme', pingInterval: 0 });
    const lengths: number[][] = [];
    for (const padding of ['padme', 256]) {
      const accepted = server.accept();
      await using proxy = await FaultProxy.listen(portOf(server));
      const told = pythonClient(proxy.port, { do: 'ask', options: { padding }, sizes: [1, 700, 70_001] });
      const client = await accepted;
      const grown: number[] = [];
      for (let message = await client.recv(); message !== null; message = await client.recv()) {
        const before = proxy.passed.toServer;
        grown.push(before);
        await client.send(message);
      }
      await client.close();
      expect(await told).toMatchObject({ right: 3, rest: 0 });
      lengths.push(grown.slice(1).map((after, i) => after - (grown[i] as number)));
    }
    // 3 + 4 + 700 and 3 + 4 + 70,001 bytes by each rule, and a header, a type and a tag
    expect(lengths).toEqual([
      [736, 71_680].map((length) => length + 20),
      [768, 70_144].map((length) => length + 20),
    ]);
  });

  describe('new keys', () => {
    it('a Python end renews its key when it has to', async () => {
      const constants = { SEND_RECORDS: 4 };
      await using server = await startListening('sealed', { maxRecord: 16_384 });
      const answered = server.accept().then(async (client) => {
        for await (const message of client) await client.send(message);
        await client.close();
      });
      const told = await pythonClient(server, { do: 'ask', constants });
      await answered;
      expect(told).toMatchObject({ right: sizes.length, rest: 0 });
      const peer = await pythonServer({
        do: 'exchange',
        constants: { SEND_BYTES: 300_000 },
        options: { max_record: 100_000 },
      });
      const client = await connectTo(peer);
      await exchange(client);
      await client.close();
      expect(await peer.next()).toMatchObject({ right: sizes.length });
      await expectEnd(peer);
    });

    it('and does not bear one key for too long', async () => {
      const peer = await pythonServer({ do: 'echo', constants: { RECEIVE_RECORDS: 8 } });
      const client = await connectTo(peer);
      for (let i = 0; i < 8; i++) {
        await client.send(Uint8Array.of(i));
        expect(await client.recv()).toEqual(Uint8Array.of(i));
      }
      await client.send(Uint8Array.of(8));
      expect(await rejection(client.recv())).toMatchObject({ code: 'PEER_CLOSED', closeCode: 6 });
      expect(await peer.next()).toMatchObject({ code: 'PROTOCOL' });
      await client.close();
      await expectEnd(peer);
    });
  });
});
