import { BlockList } from 'node:net';
import { SecureServer, type ServerOptions } from 'secure-sockets';
import { node } from 'secure-sockets/backends/node';
import { describe, expect, it } from 'vitest';
import { Hand, inHand } from './helpers/hand.js';
import { clientEnd } from './helpers/sealed-ends.js';
import { identityFor } from './helpers/sockets.js';

const TIMEOUT = 150;
/** Beyond it: the event loop has its turns. */
const SOON = 150;

/** A transport that is never done, whatever is asked of it. */
class Endless extends Hand {
  override destroy(): void {
    this.isDestroyed = true;
  }
}

const proxies = new BlockList();
proxies.addAddress('192.0.2.1');

type Stage = (server: SecureServer, hand: Hand) => Promise<unknown>;

/** What a connection may be doing when its server is closed. Nothing here ends by itself. */
const stages: Record<string, Stage> = {
  'waits for a PROXY header': async (server, hand) => {
    hand.remoteAddress = '192.0.2.1';
    await server.attach(hand);
  },
  'waits for CLIENT_HELLO': (server, hand) => server.attach(hand),
  'is open': inHand,
  'is open, and the peer takes nothing': async (server, hand) => {
    const { peer } = await inHand(server, hand);
    void peer.send(new Uint8Array(3_000_000));
  },
  'is closing already': async (server, hand) => {
    const { peer } = await inHand(server, hand);
    void peer.close();
  },
  'has read the CLOSE of its peer, whose stream does not end': async (server, hand) => {
    const { client } = await inHand(server, hand);
    for (const chunk of client.opening?.sender.close(0) ?? []) hand.give(chunk);
    hand.take();
  },
  'lingers after an error, which it has told its peer': async (server, hand) => {
    const { peer } = await inHand(server, hand);
    hand.give(Uint8Array.of(0, 0, 0));
    await expect(peer.recv()).rejects.toMatchObject({ code: 'PROTOCOL' });
  },
  'lingers after a failed handshake': async (server, hand) => {
    // ML-KEM at once, also where the platform has it
    const mlKem768 = await node.mlKem768();
    const backend = { ...node, mlKem768Later: undefined };
    const { session, ...client } = clientEnd({ suites: ['X25519MLKEM768'], backend, mlKem768 });
    session.start();
    await server.attach(hand);
    hand.give(Buffer.concat(client.written));
    await expect.poll(() => hand.written.length).toBe(9);
  },
  'was destroyed': async (server, hand) => {
    const { peer } = await inHand(server, hand);
    peer.destroy();
  },
};

describe.each([Hand, Endless])('server.close({ timeout }) over a %o', (Transport) => {
  // defence: destroy() destroys whatever state a connection is in, and no transport is waited for
  it.each(Object.keys(stages))('is over in time when a connection %s', async (name) => {
    const options: ServerOptions = {
      suites: ['X25519'],
      trustedProxies: proxies,
      closeTimeout: 60_000,
      handshakeTimeout: 60_000,
    };
    const server = new SecureServer({ identity: await identityFor('sealed'), ...options });
    const hand = new Transport();
    await stages[name]?.(server, hand);
    const begun = performance.now();
    await server.close({ timeout: TIMEOUT });
    expect(performance.now() - begun).toBeLessThan(TIMEOUT + SOON);
    expect(hand.isDestroyed).toBe(true);
    expect(server.stats).toMatchObject({ pending: 0, open: 0 });
  });
});
