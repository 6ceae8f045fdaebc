import { BlockList } from 'node:net';
import { SecureServer, type ServerOptions } from 'secure-sockets';
import { node } from 'secure-sockets/backends/node';
import { describe, expect, it } from 'vitest';
import { attachManually, ManualTransport } from './helpers/manual-transport.js';
import { clientEnd } from './helpers/sealed-ends.js';
import { identityFor } from './helpers/sockets.js';

const TIMEOUT = 150;
/** Beyond it: the event loop has its turns. A transport that does not close by itself is given up after a second. */
const SOON = 900;

/** A transport that is never done, whatever is asked of it. */
class Endless extends ManualTransport {
  override destroy(): void {
    this.isDestroyed = true;
  }
}

const proxies = new BlockList();
proxies.addAddress('192.0.2.1');

type Stage = (server: SecureServer, transport: ManualTransport) => Promise<unknown>;

/** What a connection may be doing when its server is closed. Nothing here ends by itself. */
const stages: Record<string, Stage> = {
  'waits for a PROXY header': async (server, transport) => {
    transport.remoteAddress = '192.0.2.1';
    await server.attach(transport);
  },
  'waits for CLIENT_HELLO': (server, transport) => server.attach(transport),
  'is open': attachManually,
  'is open, and the peer takes nothing': async (server, transport) => {
    const { peer } = await attachManually(server, transport);
    void peer.send(new Uint8Array(3_000_000));
  },
  'is closing already': async (server, transport) => {
    const { peer } = await attachManually(server, transport);
    void peer.close();
  },
  'has read the CLOSE of its peer, whose stream does not end': async (server, transport) => {
    const { client } = await attachManually(server, transport);
    for (const chunk of client.opening?.sender.close(0) ?? []) transport.give(chunk);
    transport.take();
  },
  'lingers after an error, which it has told its peer': async (server, transport) => {
    const { peer } = await attachManually(server, transport);
    transport.give(Uint8Array.of(0, 0, 0));
    await expect(peer.recv()).rejects.toMatchObject({ code: 'PROTOCOL' });
  },
  'lingers after a failed handshake': async (server, transport) => {
    // ML-KEM at once, also where the platform has it
    const mlKem768 = await node.mlKem768();
    const backend = { ...node, mlKem768Later: undefined };
    const { session, ...client } = clientEnd({ suites: ['X25519MLKEM768'], backend, mlKem768 });
    session.start();
    await server.attach(transport);
    transport.give(Buffer.concat(client.written));
    await expect.poll(() => transport.written.length).toBe(9);
  },
  'was destroyed': async (server, transport) => {
    const { peer } = await attachManually(server, transport);
    peer.destroy();
  },
};

describe.each([ManualTransport, Endless])('server.close({ timeout }) over a %o', (Transport) => {
  // defence: destroy() destroys whatever state a connection is in, and no transport is waited for
  it.each(Object.keys(stages))('is over in time when a connection %s', async (name) => {
    const options: ServerOptions = {
      suites: ['X25519'],
      trustedProxies: proxies,
      closeTimeout: 60_000,
      handshakeTimeout: 60_000,
    };
    const server = new SecureServer({ identity: await identityFor('sealed'), ...options });
    const transport = new Transport();
    await stages[name]?.(server, transport);
    const begun = performance.now();
    await server.close({ timeout: TIMEOUT });
    expect(performance.now() - begun).toBeLessThan(TIMEOUT + SOON);
    expect(transport.isDestroyed).toBe(true);
    expect(server.stats).toMatchObject({ pending: 0, open: 0 });
  });
});
