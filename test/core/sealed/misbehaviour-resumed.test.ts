import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { node } from '../../../backends/node.js';
import type { Backend } from '../../../src/backend.js';
import { fingerprintOf } from '../../../src/core/encodings/fingerprint.js';
import type { SealedClientOptions } from '../../../src/core/sealed/client.js';
import { clientResumption } from '../../../src/core/sealed/client-resumption.js';
import type { IssuedTicket } from '../../../src/core/sealed/resumption.js';
import type { SealedServerOptions } from '../../../src/core/sealed/server.js';
import { isLacking } from '../../../src/core/sealed/suites.js';
import { TicketKeys } from '../../../src/sessions/ticket-keys.js';
import { CHACHA20, spkiOf as spkiOfKey, X25519 } from '../../helpers/misbehaving-peer-crypto.js';
import type { Grant } from '../../helpers/misbehaving-peer-resuming.js';
import type { TestKeys } from '../../helpers/misbehaviour.js';
import {
  type GrantOf,
  type ResumptionMisbehaviour,
  resumingClients,
  type Stage,
} from '../../helpers/misbehaviours-in-resumption.js';
import { type ClientMisbehaviour, resumingServers } from '../../helpers/misbehaviours-of-resuming-servers.js';
import type { Recorder } from '../../helpers/recorder.js';
import { backends, clientEnd, serverEnd, spkiOf } from '../../helpers/sealed-ends.js';
import { wireTo } from '../../helpers/sealed-wire.js';
import file from '../../vectors/sealed.json' with { type: 'json' };

const keys: TestKeys = {
  server: createPrivateKey(file.keys.server2048),
  client: createPrivateKey(file.keys.client2048),
  other: createPrivateKey(file.keys.other2048),
  weak: createPrivateKey(file.keys.weak1024),
};
/** All that node:crypto has, of which the peer is made as well. */
const suites = (['X25519', 'X25519-CHACHA20'] as const).filter((name) => !isLacking(name, node));
const TICKET_KEY = new Uint8Array(32).fill(1);
const OTHER_TICKET_KEY = new Uint8Array(32).fill(2);
const HOUR = 3_600_000;

const setUps: Record<NonNullable<ResumptionMisbehaviour['setUp']>, Partial<SealedServerOptions>> = {
  refusing: { authorize: () => false },
  failing: {
    authorize: () => {
      throw new Error('the list cannot be read');
    },
  },
  'clients none': { clientAuth: 'none' },
  'clients required': { clientAuth: 'required' },
  'without tickets': { tickets: undefined },
};

/** Whether the peer has the cipher that it takes. */
const isPossible = ({ name }: ClientMisbehaviour): boolean =>
  suites.length > 1 || !/cipher of another suite|suite that was not offered/.test(name);

/** Every backend over X25519, and one over the other cipher. */
const tried = [
  ...backends.map((backend) => ({ backend, name: `X25519 on ${backend.name}`, suite: X25519 })),
  ...suites.slice(1).map((name) => ({ backend: node, name: `${name} on node`, suite: CHACHA20 })),
];

function issuer(backend: Backend, secret: Uint8Array, serverSpki: Uint8Array, lifetime: number): TicketKeys {
  return new TicketKeys({ backend, serverHash: backend.sha256(serverSpki), lifetime, shared: [secret] });
}

/** Makes tickets as the server under test does, whose chains last for an hour. */
function grant(of: GrantOf = {}): Grant {
  const secret = of.isUnderOtherKey ? OTHER_TICKET_KEY : TICKET_KEY;
  const server = of.isOfOtherServer ? spkiOf('other2048') : spkiOf('server2048');
  const psk = node.randomBytes(32);
  const since = Date.now() - 1000 * (of.secondsAgo ?? 0);
  const content = { psk, since, spki: of.spki ?? new Uint8Array(0) };
  const issued = issuer(node, secret, server, 24 * HOUR).seal(content);
  return { psk: Buffer.from(psk), ticket: Buffer.from(issued?.ticket as Uint8Array) };
}

function start(end: Recorder): Recorder {
  end.session.start();
  return end;
}

function server(backend: Backend, setUp?: ResumptionMisbehaviour['setUp']): Recorder {
  const tickets = issuer(backend, TICKET_KEY, spkiOf('server2048'), HOUR);
  return start(serverEnd({ backend, suites, tickets, ...(setUp && setUps[setUp]) }));
}

/** A client that has pinned the server's key, and has a ticket of it unless told otherwise. */
function client(
  backend: Backend,
  { offers = true, asks = true }: ClientMisbehaviour,
): { end: Recorder; held: Grant; kept: IssuedTicket[] } {
  const spki = spkiOf('server2048');
  const fingerprint = fingerprintOf(node, spki);
  const held = grant();
  const kept: IssuedTicket[] = [];
  const ticket = { ...held, psk: new Uint8Array(held.psk), peer: { spki, fingerprint } };
  const options: Partial<SealedClientOptions> = {
    resumption: clientResumption({
      ...(offers && { takeTicket: () => ticket }),
      ...(asks && { keepTicket: (one: IssuedTicket) => kept.push(one) }),
    }),
    decide: (_, met) => met === fingerprint,
  };
  return { end: start(clientEnd({ backend, suites, ...options })), held, kept };
}

function kindOf({ opening }: Recorder): ResumptionMisbehaviour['opened'] {
  if (opening === undefined) return 'no';
  return opening.resumed ? 'resumed' : 'full';
}

/** What there is to see of an end. */
function observe(end: Recorder, wire: string): object {
  const texts = end.messages.map((message) => Buffer.from(message).toString());
  return { code: end.code ?? null, wire, opened: kindOf(end), delivered: texts };
}

it('there are at least twenty misbehaviours for either end, each with a name of its own', () => {
  for (const misbehaviours of [resumingClients, resumingServers]) {
    const names = misbehaviours.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => !name.startsWith('tolerated')).length).toBeGreaterThanOrEqual(20);
  }
});

it('the peer of these tests takes nothing from the library', () => {
  const text = readFileSync(new URL('../../helpers/misbehaving-peer-resuming.ts', import.meta.url), 'utf8');
  const imported = [...text.matchAll(/from '(.*)'/g)].map(([, from]) => from);
  expect(imported).toEqual(['./misbehaving-peer.js', './misbehaving-peer-crypto.js']);
});

describe.each(tried)('to a server that takes tickets, over $name:', ({ backend, suite }) => {
  it.each(resumingClients)('$name: $code, $wire, $opened', async (one) => {
    const { code, wire, opened, delivered = [], setUp, play } = one;
    const end = server(backend, setUp);
    const connect = (): Stage['wire'] => wireTo(server(backend, setUp), suite);
    const seen = await play({ wire: wireTo(end, suite), keys, grant, connect });
    expect(observe(end, seen)).toEqual({ code, wire, opened, delivered });
    if (setUp === undefined && opened === 'resumed') expect(end.opening?.peer).toBe(null);
  });
});

describe.each(tried)('to a client with a ticket, over $name:', ({ backend, suite }) => {
  it.each(resumingServers.filter(isPossible))('$name: $code, $wire, $opened', async (one) => {
    const { code, wire, opened, delivered = [], kept: count = 0, play } = one;
    const { end, held, kept } = client(backend, one);
    const connect = (): Stage['wire'] => expect.fail('a server needs no second client');
    const seen = await play({ wire: wireTo(end, suite), keys, grant: () => held, connect });
    expect(observe(end, seen)).toEqual({ code, wire, opened, delivered });
    expect(kept.length).toBe(count);
  });
});

it('a client that resumes is known by the key that it proved before', async () => {
  const end = server(node);
  const spki = spkiOfKey(keys.client);
  const { PeerClient } = await import('../../helpers/misbehaving-peer.js');
  const {
    confirm,
    resume,
    makeResumingHello: resumingHello,
  } = await import('../../helpers/misbehaving-peer-resuming.js');
  const [held, peer] = [grant({ spki }), new PeerClient(wireTo(end))];
  await resume(peer, held, resumingHello(peer, held));
  // nothing is handed out for a hello alone, which may be a replay
  expect([end.opening, end.takeWritten().length]).toEqual([undefined, 0]);
  await confirm(peer);
  expect(Buffer.from(end.opening?.peer?.spki as Uint8Array)).toEqual(spki);
});
