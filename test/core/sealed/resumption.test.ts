import { describe, expect, it } from 'vitest';
import { node } from '../../../backends/node.js';
import { fingerprintOf } from '../../../src/core/encodings/fingerprint.js';
import { clientResumption } from '../../../src/core/sealed/client-resumption.js';
import type { IssuedTicket, TicketIssuer } from '../../../src/core/sealed/resumption.js';
import { backends, clientEnd, openPair, serverEnd, spkiOf } from '../../helpers/sealed-ends.js';
import {
  bytes,
  hex,
  possibleWith,
  replay,
  type SealedVector,
  suiteNamesIn,
} from '../../helpers/sealed-vectors.js';
import file from '../../vectors/sealed.json' with { type: 'json' };

const cases = backends.flatMap((backend) =>
  possibleWith(backend, file.resumed).map((vector) => ({
    backend,
    vector,
    // what a replay needs of it is the same as of a full handshake
    replayed: vector as unknown as SealedVector,
  })),
);

describe.each(cases)('$vector.seed on $backend.name', ({ backend: real, vector, replayed }) => {
  it('the client sends the recorded flights and derives the recorded secrets', async () => {
    const { backend, mlKem768, extracted } = await replay(real, replayed, 'client');
    const kept: IssuedTicket[] = [];
    const psk = bytes(vector.psk);
    const spki = bytes(vector.server_spki);
    const peer = { spki, fingerprint: fingerprintOf(backend, spki) };
    const end = clientEnd({
      ...{ backend, mlKem768, suites: suiteNamesIn(vector.suites), grease: vector.suites.includes(0x0a0a) },
      decide: () => {
        throw new Error('no decision is needed: there is no key');
      },
      resumption: clientResumption({
        takeTicket: () => ({ ticket: bytes(vector.ticket), psk, peer }),
        ...(vector.request && { keepTicket: (ticket: IssuedTicket) => kept.push(ticket) }),
      }),
    });
    end.session.start();
    expect(hex(end.takeWritten())).toBe(vector.flights['1 C->S']);
    end.session.receive(bytes(vector.flights['2 S->C']));
    expect(hex(end.takeWritten())).toBe(vector.flights['3 C->S']);
    expect(extracted.slice(-4)).toEqual(secretsOf(vector));
    expect(end.opening).toMatchObject({ resumed: true, peer, suite: suiteNamesIn([vector.suite])[0] });
    expectExports(end.opening?.keys, vector);
    expect(hex(psk)).toBe('00'.repeat(32));
    if (!vector.request) return;
    end.session.receive(bytes(vector.flights['4 S->C']));
    expect(kept.map((one) => [hex(one.ticket), hex(one.psk), one.seconds, one.resumed])).toEqual([
      [vector.next_ticket, vector.next_psk, 28_800, true],
    ]);
  });

  it('the server sends the recorded flights, and hands out nothing before CLIENT_FINISHED', async () => {
    const { backend, mlKem768, extracted } = await replay(real, replayed, 'server');
    const spki = bytes(vector.client_spki);
    const sealed: string[] = [];
    const tickets: TicketIssuer = {
      open: (ticket) =>
        hex(ticket) === vector.ticket ? { psk: bytes(vector.psk), since: 5, spki } : undefined,
      seal: (content) => {
        sealed.push(hex(content.psk));
        expect([content.since, content.spki]).toEqual([5, spki]);
        return { ticket: bytes(vector.next_ticket), seconds: 28_800 };
      },
    };
    const end = serverEnd({
      ...{
        backend,
        mlKem768,
        suites: suiteNamesIn([vector.suite]),
        spki: bytes(vector.server_spki),
        tickets,
      },
    });
    end.session.start();
    end.session.receive(bytes(vector.flights['1 C->S']));
    await end.settle();
    expect(hex(end.takeWritten())).toBe(vector.flights['2 S->C']);
    const flight = bytes(vector.flights['3 C->S']);
    end.session.receive(flight.subarray(0, -1));
    expect([end.opening, end.written]).toEqual([undefined, []]);
    end.session.receive(flight.subarray(-1));
    expect(end.opening).toMatchObject({ resumed: true, suite: suiteNamesIn([vector.suite])[0] });
    expect(end.opening?.peer?.spki ?? new Uint8Array(0)).toEqual(spki);
    expect(extracted.slice(-4)).toEqual(secretsOf(vector));
    expectExports(end.opening?.keys, vector);
    expect(sealed).toEqual(vector.request ? [vector.next_psk] : []);
    expect(hex(end.takeWritten())).toBe(vector.request ? vector.flights['4 S->C'] : '');
  });
});

it('the limits that each end tells when it resumes hold for the other', async () => {
  const spki = spkiOf('server2048');
  const secret = (): Uint8Array => new Uint8Array(32).fill(7);
  const peer = { spki, fingerprint: fingerprintOf(node, spki) };
  const takeTicket = () => ({ ticket: Uint8Array.of(1), psk: secret(), peer });
  const tickets: TicketIssuer = {
    open: () => ({ psk: secret(), since: 1, spki: new Uint8Array(0) }),
    seal: () => undefined,
  };
  const { client, server } = await openPair(
    { maxMessage: 5000, resumption: clientResumption({ takeTicket }) },
    { maxMessage: 6000, tickets },
  );
  for (const { opening } of [client, server]) expect(opening?.resumed).toBe(true);
  expect([client.opening?.sender.maxMessage, server.opening?.sender.maxMessage]).toEqual([6000, 5000]);
});

function secretsOf({ secrets }: (typeof file.resumed)[number]): string[] {
  return [secrets.ES, secrets.HS, secrets.AHS, secrets.MS];
}

function expectExports(
  keys: { exportKey(label: string, context: Uint8Array, length: number): Uint8Array } | undefined,
  vector: (typeof file.resumed)[number],
): void {
  for (const { label, context, length, value } of vector.exports)
    expect(hex(keys?.exportKey(label, Buffer.from(context), length) ?? new Uint8Array(0))).toBe(value);
}
