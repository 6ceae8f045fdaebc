import { describe, expect, it } from 'vitest';
import { node } from '../../../backends/node.js';
import type { Backend } from '../../../src/backend.js';
import { fingerprintOf } from '../../../src/core/encodings/fingerprint.js';
import type { SealedClientOptions } from '../../../src/core/sealed/client.js';
import { clientResumption } from '../../../src/core/sealed/client-resumption.js';
import type { TicketContent, TicketIssuer } from '../../../src/core/sealed/resumption.js';
import type { SealedServerOptions } from '../../../src/core/sealed/server.js';
import type { Recorder } from '../../helpers/recorder.js';
import { clientEnd, converse, openPair, serverEnd, spkiOf } from '../../helpers/sealed-ends.js';

const isWiped = (secret: Uint8Array): boolean => secret.every((byte) => byte === 0);
const secret = (): Uint8Array => new Uint8Array(32).fill(7);

/** A client's ticket of the server of these tests. */
function holdTicket(psk: Uint8Array): Pick<SealedClientOptions, 'resumption'> {
  const spki = spkiOf('server2048');
  const peer = { spki, fingerprint: fingerprintOf(node, spki) };
  const takeTicket = () => ({ ticket: Uint8Array.of(1), psk, peer });
  return { resumption: clientResumption({ takeTicket, keepTicket: () => {} }) };
}

const asksForTickets = { resumption: clientResumption({ keepTicket: () => {} }) };

/** A server's tickets: one stands for this secret, and all that are given are kept. */
function issuer(psk: Uint8Array, given: TicketContent[] = []): TicketIssuer {
  return {
    open: () => ({ psk, since: 1, spki: spkiOf('client2048') }),
    seal: (content) => {
      given.push(content);
      return { ticket: Uint8Array.of(2), seconds: 60 };
    },
  };
}

/** Keeps every resumption secret that is derived. */
function watch(secrets: Uint8Array[]): Backend {
  return {
    ...node,
    hkdfExpand: (prk, info, length) => {
      const derived = node.hkdfExpand(prk, info, length);
      if (Buffer.from(info).includes('res master')) secrets.push(derived);
      return derived;
    },
  };
}

describe('the secret of a ticket is wiped', () => {
  it('at both ends when it was used', async () => {
    const [ours, theirs] = [secret(), secret()];
    const { client } = await openPair(holdTicket(ours), { tickets: issuer(theirs) });
    expect(client.opening?.resumed).toBe(true);
    expect([isWiped(ours), isWiped(theirs)]).toEqual([true, true]);
  });

  it('by a client whose ticket is not accepted, or not even answered', async () => {
    const [ignored, unanswered] = [secret(), secret()];
    const { client } = await openPair(holdTicket(ignored));
    expect([client.opening?.resumed, isWiped(ignored)]).toEqual([false, true]);
    const alone = clientEnd(holdTicket(unanswered));
    alone.session.start();
    expect(isWiped(unanswered)).toBe(false);
    alone.session.endOfStream();
    expect([alone.error !== undefined, isWiped(unanswered)]).toEqual([true, true]);
  });

  it.each<[string, Partial<SealedServerOptions>]>([
    ['is not let in', { authorize: () => false }],
    ['is not asked any more who it is', { clientAuth: 'none' }],
  ])('by a server whose client %s', async (_, options) => {
    const theirs = secret();
    const { server } = await openPair(holdTicket(secret()), { ...options, tickets: issuer(theirs) });
    expect([server.opening?.resumed, isWiped(theirs)]).toEqual([false, true]);
  });

  it('by a server after a wrong binder', async () => {
    const theirs = secret();
    const ends: [Recorder, Recorder] = [
      clientEnd(holdTicket(new Uint8Array(32))),
      serverEnd({ tickets: issuer(theirs) }),
    ];
    for (const { session } of ends) session.start();
    await converse(...ends);
    expect([ends[1].code, isWiped(theirs)]).toEqual(['PROTOCOL', true]);
  });

  it('by a server that has given it', async () => {
    const given: TicketContent[] = [];
    await openPair(asksForTickets, { tickets: issuer(secret(), given) });
    expect(given.map(({ psk }) => isWiped(psk))).toEqual([true, true]);
  });
});

describe('the resumption secret of a connection is wiped', () => {
  it('by a server as soon as it has made its tickets', async () => {
    const secrets: Uint8Array[] = [];
    const tickets = issuer(secret());
    const { server } = await openPair(asksForTickets, { backend: watch(secrets), tickets });
    expect(server.opening).toBeDefined();
    expect(secrets.map(isWiped)).toEqual([true]);
  });

  it('by a client after the fourth ticket, or when the connection is over', async () => {
    const secrets: Uint8Array[] = [];
    const options = { backend: watch(secrets), ...asksForTickets };
    const { client, server } = await openPair(options, { tickets: issuer(secret()) });
    expect(secrets.map(isWiped)).toEqual([false]);
    for (const nonce of [2, 3]) {
      expect(secrets.map(isWiped)).toEqual([false]);
      const payload = Uint8Array.of(0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, nonce, 0, 1, 9);
      const { sender } = server.opening as unknown as {
        sender: { ticket(payload: Uint8Array): Uint8Array[] };
      };
      client.session.receive(Buffer.concat(sender.ticket(payload)));
    }
    expect([client.error, ...secrets.map(isWiped)]).toEqual([undefined, true]);
    const second: Uint8Array[] = [];
    const brief = await openPair({ ...options, backend: watch(second) }, { tickets: issuer(secret()) });
    expect(second.map(isWiped)).toEqual([false]);
    brief.client.session.receive(Buffer.concat(brief.server.opening?.sender.close(0) ?? []));
    expect([brief.client.endCode, ...second.map(isWiped)]).toEqual([0, true]);
  });

  it('by a client that asked for none at once, since it derives none', async () => {
    const secrets: Uint8Array[] = [];
    await openPair({ backend: watch(secrets) });
    expect(secrets).toEqual([]);
  });
});
