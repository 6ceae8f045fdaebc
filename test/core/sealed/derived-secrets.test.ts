import { describe, expect, it } from 'vitest';
import { node } from '../../../backends/node.js';
import type { Backend } from '../../../src/backend.js';
import { fingerprintOf } from '../../../src/core/encodings/fingerprint.js';
import { clientResumption } from '../../../src/core/sealed/client-resumption.js';
import type { IssuedTicket, TicketContent, TicketIssuer } from '../../../src/core/sealed/resumption.js';
import { binderOf, TicketReceiver } from '../../../src/core/sealed/resumption.js';
import type { SealedServerOptions } from '../../../src/core/sealed/server.js';
import { suiteNames } from '../../../src/core/sealed/suites.js';
import { PatientRecorder } from '../../helpers/later-backend.js';
import { clientEnd, converse, identity, openPair, serverEnd, spkiOf } from '../../helpers/sealed-ends.js';

const mlKem768 = await node.mlKem768();
const peer = { spki: spkiOf('server2048'), fingerprint: fingerprintOf(node, spkiOf('server2048')) };

/** The node backend, which keeps whatever it derives: labels, and the memory that callers have got. */
function watch(): { backend: Backend; left: () => string[]; count: () => number } {
  const derived: [string, Uint8Array][] = [];
  const keep = (name: string, secret: Uint8Array): Uint8Array => {
    derived.push([name, secret]);
    return secret;
  };
  const labelOf = (info: Uint8Array): string => Buffer.from(info.subarray(3, 3 + (info[2] ?? 0))).toString();
  return {
    backend: {
      ...node,
      hkdfExtract: (salt, key) => keep('extracted', node.hkdfExtract(salt, key)),
      hkdfExpand: (prk, info, length) => keep(labelOf(info), node.hkdfExpand(prk, info, length)),
      aesGcm: (key) => node.aesGcm(key),
      chaCha20Poly1305: (key) => node.chaCha20Poly1305(key),
    },
    left: () => derived.filter(([, secret]) => secret.some((byte) => byte !== 0)).map(([name]) => name),
    count: () => derived.length,
  };
}

/** A server's tickets by hand: each stands for the secret that it was made with. */
function plainTickets(seconds: number | undefined): { issuer: TicketIssuer; taken: TicketContent[] } {
  const taken: TicketContent[] = [];
  const issuer: TicketIssuer = {
    seal: (content) => {
      taken.push({ ...content, psk: content.psk.slice() });
      return seconds === undefined ? undefined : { ticket: Uint8Array.of(taken.length), seconds };
    },
    open: ([place = 0]) => {
      const content = taken[place - 1];
      return content && { ...content, psk: content.psk.slice(), since: 1 };
    },
  };
  return { issuer, taken };
}

// Bun (1.4.5) has no ChaCha20-Poly1305 in its node:crypto
const suites = suiteNames.filter((name) => !(node.lacks?.length && name.endsWith('CHACHA20')));

describe.each(suites)('nothing that was derived over %s is left', (suite) => {
  it('in memory when a connection is over, resumed or not, but what belongs to others', async () => {
    const { issuer } = plainTickets(60);
    const kept: IssuedTicket[] = [];
    let ticket: IssuedTicket | undefined;
    for (const resumed of [false, true]) {
      const [ours, theirs] = [watch(), watch()];
      const common = { suites: [suite], mlKem768 };
      const { client, server } = await openPair(
        {
          ...{ ...common, backend: ours.backend, identity: identity(node) },
          resumption: clientResumption({ takeTicket: () => ticket, keepTicket: (each) => kept.push(each) }),
        },
        { ...common, backend: theirs.backend, tickets: issuer },
      );
      expect([client.opening?.resumed, server.opening?.resumed]).toEqual([resumed, resumed]);
      for (const end of [client, server]) end.opening?.keys?.exportKey('label', new Uint8Array(0), 8).fill(0);
      client.session.receive(Buffer.concat(server.opening?.sender.close(0) ?? []));
      server.session.receive(Buffer.concat(client.opening?.sender.close(0) ?? []));
      for (const end of [client, server]) end.opening?.keys?.forget();
      expect([ours.count() > 20, theirs.count() > 20]).toEqual([true, true]);
      // the secrets of tickets that the client was given are its sessions', which wipe them
      for (const { psk } of kept.splice(resumed ? 0 : 1)) psk.fill(0);
      ticket = kept.pop();
      expect([ours.left(), theirs.left()]).toEqual([resumed ? [] : ['sealed1 resumption'], []]);
    }
  });
});

describe('tickets', () => {
  it('know whose they are, and whether the connection was resumed itself', async () => {
    const { issuer, taken } = plainTickets(60);
    const kept: IssuedTicket[] = [];
    const keepTicket = (each: IssuedTicket) => kept.push(each);
    await openPair({ resumption: clientResumption({ keepTicket }) }, { tickets: issuer });
    expect(kept).toMatchObject(new Array(2).fill({ peer, resumed: false, seconds: 60 }));
    const held = kept.splice(0);
    const { client } = await openPair(
      { resumption: clientResumption({ takeTicket: () => held.pop(), keepTicket }) },
      { tickets: issuer },
    );
    expect(client.opening).toMatchObject({ resumed: true, peer });
    expect(kept).toMatchObject([{ peer, resumed: true, seconds: 60 }]);
    // at the end of its chain the next one must not begin another
    expect(taken.map(({ since }) => since)).toEqual([undefined, undefined, 1]);
  });

  it('are not given where their chain would end at once', async () => {
    const kept: IssuedTicket[] = [];
    const { issuer, taken } = plainTickets(undefined);
    const resumption = clientResumption({ keepTicket: (each) => kept.push(each) });
    const { client, server } = await openPair({ resumption }, { tickets: issuer });
    expect([taken.length, kept, client.error, server.error]).toEqual([2, [], undefined, undefined]);
    client.session.receive(Buffer.concat(server.opening?.sender.close(0) ?? []));
    expect(client.endCode).toBe(0);
  });

  it('of a known client are a decision, which is counted as one', async () => {
    const { issuer } = plainTickets(60);
    const kept: IssuedTicket[] = [];
    const keepTicket = (each: IssuedTicket) => kept.push(each);
    const options = { identity: identity(node) };
    await openPair({ ...options, resumption: clientResumption({ keepTicket }) }, { tickets: issuer });
    const client = clientEnd(
      { ...options, resumption: clientResumption({ takeTicket: () => kept.pop(), keepTicket }) },
      PatientRecorder,
    ) as PatientRecorder;
    const server = serverEnd({ tickets: issuer }, PatientRecorder) as PatientRecorder;
    client.session.start();
    server.session.start();
    server.session.receive(await client.finish());
    await server.finish();
    expect(server.kinds).toEqual(new Set(['decision']));
  });

  it('of a client are a decision about the key in them, and only once its binder is right', async () => {
    const { issuer } = plainTickets(60);
    const kept: IssuedTicket[] = [];
    const keepTicket = (each: IssuedTicket) => kept.push(each);
    const asked: [Uint8Array, string][] = [];
    const tickets: Partial<SealedServerOptions> = {
      tickets: issuer,
      authorize: (...of) => asked.push(of) > 0,
    };
    const options = { identity: identity(node) };
    await openPair({ ...options, resumption: clientResumption({ keepTicket }) }, tickets);
    const [held, stolen] = kept as [IssuedTicket, IssuedTicket];
    const known = fingerprintOf(node, spkiOf('client2048'));
    const resuming = { resumption: clientResumption({ takeTicket: () => held }) };
    expect((await openPair(resuming, tickets)).server.opening).toMatchObject({ resumed: true });
    expect(asked).toEqual(new Array(2).fill([spkiOf('client2048'), known]));
    const thief = { takeTicket: () => ({ ...stolen, psk: new Uint8Array(32) }) };
    const { server } = await openPair({ resumption: clientResumption(thief) }, tickets);
    expect([server.code, asked.length]).toEqual(['PROTOCOL', 2]);
  });

  it('are shown with a binder whose keys are wiped', () => {
    const { backend, left, count } = watch();
    const keys: Uint8Array[] = [];
    const hmacSha256: Backend['hmacSha256'] = (key, data) => {
      keys.push(key);
      return node.hmacSha256(key, data);
    };
    const binder = binderOf({ ...backend, hmacSha256 }, new Uint8Array(32).fill(3), new Uint8Array(100));
    expect(binder.some((byte) => byte !== 0)).toBe(true);
    expect([count(), keys.length, left()]).toEqual([3, 1, []]);
    expect(keys).toEqual([new Uint8Array(32)]);
  });
});

describe('a TICKET', () => {
  const payload = (seconds: number, nonce: number, ticket: number): Uint8Array => {
    const bytes = Buffer.alloc(14 + ticket);
    bytes.writeUInt32BE(seconds);
    bytes[11] = nonce;
    bytes.writeUInt16BE(ticket, 12);
    return bytes;
  };
  const good = [0, 1, 2, 3].map((nonce) => payload(60, nonce, 1));

  const receive = (): { receiver: TicketReceiver; stored: IssuedTicket[] } => {
    const stored: IssuedTicket[] = [];
    const of = { peer, resumed: false };
    const store = (ticket: IssuedTicket) => void stored.push(ticket);
    return { receiver: new TicketReceiver(node, new Uint8Array(32).fill(1), of, store), stored };
  };

  it.each<[string, Uint8Array[], RegExp]>([
    ['no lifetime', [payload(0, 0, 1)], /TICKET is malformed: its lifetime in seconds \d/],
    ['a lifetime too long', [payload(86_401, 0, 1)], /TICKET is malformed: its lifetime in seconds \d/],
    ['an empty ticket', [payload(60, 0, 0)], /TICKET is malformed: its length \d/],
    ['a ticket too long', [payload(60, 0, 2049)], /TICKET is malformed: its length \d/],
    ['a fifth', [...good, payload(60, 4, 1)], /^the peer sent more than 4 tickets$/],
    ['one nonce twice', [payload(60, 0, 1), payload(60, 0, 2)], /^the peer sent two tickets with one nonce$/],
  ])('that is wrong is told as such: %s', (_, payloads, text) => {
    const { receiver, stored } = receive();
    const last = payloads.pop() as Uint8Array;
    for (const each of payloads) receiver.receive(each);
    expect(stored.length).toBe(payloads.length);
    expect(() => receiver.receive(last)).toThrow(
      expect.objectContaining({ code: 'PROTOCOL', message: expect.stringMatching(text) }),
    );
    expect(stored.length).toBe(payloads.length);
  });

  it('is taken from end to end of its limits', () => {
    const { receiver, stored } = receive();
    for (const one of [payload(1, 0, 1), payload(86_400, 1, 2048)]) receiver.receive(one);
    expect(stored.map(({ seconds, ticket }) => [seconds, ticket.length])).toEqual([
      [1, 1],
      [86_400, 2048],
    ]);
  });

  it.each([0, 3, 6, 7])('is another one if its nonce differs in byte %i alone', (place) => {
    const { receiver, stored } = receive();
    const other = payload(60, 0, 1);
    other[4 + place] = 1;
    for (const one of [payload(60, 0, 1), other]) receiver.receive(one);
    expect(stored.length).toBe(2);
  });
});

describe('refusals name the key', () => {
  const own = { spki: spkiOf('server2048'), key: identity(node, 'server2048')?.key } as NonNullable<
    ReturnType<typeof identity>
  >;

  it('of a server that shows the client its own', async () => {
    const client = clientEnd({ identity: own });
    const server = serverEnd();
    client.session.start();
    server.session.start();
    await converse(client, server);
    expect(client.error).toMatchObject({ code: 'UNTRUSTED_SERVER', fingerprint: peer.fingerprint });
  });

  it('of a client that shows the server its own', async () => {
    // the client looks first, and is shown something else then
    let asked = 0;
    const same = {
      key: own.key,
      get spki(): Uint8Array {
        return asked++ === 0 ? new Uint8Array(1) : own.spki;
      },
    };
    const { server } = await openPair({ identity: same });
    expect(server.error).toMatchObject({ code: 'UNAUTHORIZED_CLIENT', fingerprint: peer.fingerprint });
    expect(server.finalBytes).toHaveLength(1);
  });
});

it('a server whose suites cannot be used is refused before there is a connection', () => {
  for (let i = 0; i < 2; i++) {
    expect(() => serverEnd({ suites: [] })).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
    expect(() =>
      serverEnd({ suites: ['X25519MLKEM768'], backend: { ...node, mlKem768Later: undefined } }),
    ).toThrow(
      expect.objectContaining({ message: expect.stringContaining('needs a backend with ML-KEM-768') }),
    );
  }
});
