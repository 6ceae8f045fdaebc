import { decodePickle, encodePickle } from '../../src/core/classic/pickle.js';
import { classicClient, classicServer } from '../../src/core/classic/scripts.js';
import { encodeSpki } from '../../src/core/encodings/der.js';
import type { Script } from '../../src/core/script.js';
import { sealedClient } from '../../src/core/sealed/client.js';
import { clientResumption } from '../../src/core/sealed/client-resumption.js';
import type { Padding } from '../../src/core/sealed/padding.js';
import type { TicketIssuer } from '../../src/core/sealed/resumption.js';
import { type SealedServerOptions, sealedServer } from '../../src/core/sealed/server.js';
import type { SuiteName } from '../../src/core/sealed/suites.js';
import { SecureSocketError } from '../../src/errors.js';
import { constantKem, insecure } from '../helpers/insecure-backend.js';
import { Recorder } from '../helpers/recorder.js';
import { openEnd } from '../helpers/sealed-open.js';
import { testKey } from '../helpers/sealed-vectors.js';
import { classicFrames, helloAndRecords, records } from './structures.js';
import { type Target, verdictOfSession } from './target.js';

/** Large enough for what the mutations make, small enough to be met by them. */
const MAX_MESSAGE = 4096;
const MAX_RECORD = 16_384;
const limits = { maxMessage: MAX_MESSAGE };

const serverKey = testKey('server2048');
const clientKey = testKey('client2048');

const common = { backend: insecure, maxMessage: MAX_MESSAGE, maxRecord: MAX_RECORD, mlKem768: constantKem };
const suites: readonly SuiteName[] = [
  'X25519MLKEM768',
  'X25519',
  'X25519-CHACHA20',
  'X25519MLKEM768-CHACHA20',
];

function makeSealedServer(clientAuth: SealedServerOptions['clientAuth'] = 'optional'): Recorder {
  return start(
    sealedServer({
      ...common,
      ...{ suites, clientAuth, authorize: (_, fingerprint) => fingerprint !== '' },
      ...{ spki: encodeSpki(serverKey), key: insecure.rsaPrivateKey(serverKey) },
    }),
  );
}

function makeSealedClient(hasIdentity = true, offered: readonly SuiteName[] = suites): Recorder {
  const identity = { spki: encodeSpki(clientKey), key: insecure.rsaPrivateKey(clientKey) };
  return start(
    sealedClient({
      ...common,
      ...{ suites: offered, decide: () => true, ...(hasIdentity ? { identity } : {}) },
    }),
  );
}

/** Takes every ticket that is one, and gives its own. */
const tickets: TicketIssuer = {
  open: (ticket) =>
    ticket.length < 16 ? undefined : { psk: new Uint8Array(32), since: 1, spki: encodeSpki(clientKey) },
  seal: () => ({ ticket: new Uint8Array(40).fill(84), seconds: 3600 }),
};

function makeResumingServer(): Recorder {
  return start(
    sealedServer({
      ...{ ...common, suites, clientAuth: 'optional', authorize: () => true, tickets },
      ...{ spki: encodeSpki(serverKey), key: insecure.rsaPrivateKey(serverKey), padding: 'padme' },
    }),
  );
}

function makeResumingClient(): Recorder {
  const peer = { spki: encodeSpki(serverKey), fingerprint: 'SHA256:' };
  return start(
    sealedClient({
      ...{ ...common, suites, decide: () => true, padding: 64 },
      resumption: clientResumption({
        takeTicket: () => ({ ticket: new Uint8Array(40).fill(84), psk: new Uint8Array(32), peer }),
        keepTicket: () => {},
      }),
    }),
  );
}

function classicServerEnd(): Recorder {
  const { n, e } = serverKey;
  return start(
    classicServer({
      ...{ backend: insecure, keyLength: 32, maxMessage: MAX_MESSAGE, publicKey: { n, e } },
      ...{ privateKey: insecure.rsaPrivateKey(serverKey), rejectionSecret: new Uint8Array(32) },
    }),
  );
}

function classicClientEnd(): Recorder {
  const options = { keyLength: 32, maxMessage: MAX_MESSAGE, minModulusBits: 512, settleMs: 0 } as const;
  return start(classicClient({ backend: insecure, ...options }));
}

/** What two ends say to each other, from the first byte to their final bytes. */
async function record(
  makeClient: () => Recorder,
  makeServer: () => Recorder,
): Promise<{ toServer: Uint8Array; toClient: Uint8Array }> {
  const ends = [makeClient(), makeServer()] as const;
  const sent: [Buffer, Buffer] = [Buffer.alloc(0), Buffer.alloc(0)];
  const carry = async (): Promise<boolean> => {
    const [toServer, toClient] = [ends[0].takeWritten(), ends[1].takeWritten()];
    sent[0] = Buffer.concat([sent[0], toServer]);
    sent[1] = Buffer.concat([sent[1], toClient]);
    ends[1].session.receive(toServer);
    ends[0].session.receive(toClient);
    await Promise.all([ends[0].settle(), ends[1].settle()]);
    return toServer.length + toClient.length > 0;
  };
  await Promise.all([ends[0].settle(), ends[1].settle()]);
  while (await carry());
  for (const end of ends) end.write(speech(end));
  while (await carry());
  return { toServer: new Uint8Array(sent[0]), toClient: new Uint8Array(sent[1]) };
}

/** Something of everything that an open end can say. */
function speech({ opening }: Recorder): Uint8Array[] {
  if (opening === undefined) throw new Error('the ends did not open');
  const { sender } = opening;
  const chunks: Uint8Array[] = [];
  for (const length of [0, 1, 40, 0]) sender.stage(new Uint8Array(length).fill(65));
  chunks.push(...sender.flush(), ...(sender.ping?.() ?? []));
  sender.rekey?.();
  sender.stage(new Uint8Array(600).fill(66));
  chunks.push(...sender.flush(), ...(sender.pong?.() ?? []));
  return [...chunks, ...sender.close(0)];
}

async function makeSealedTargets(): Promise<Target[]> {
  const conversations = await Promise.all([
    record(makeSealedClient, makeSealedServer),
    record(
      () => makeSealedClient(false),
      () => makeSealedServer('none'),
    ),
    record(
      () => makeSealedClient(true, ['X25519-CHACHA20', 'X25519']),
      () => makeSealedServer('required'),
    ),
  ]);
  const resumed = await record(makeResumingClient, makeResumingServer);
  return [
    {
      name: 'sealed-server',
      seeds: conversations.map(({ toServer }) => toServer),
      structured: helloAndRecords('client', encodeSpki(clientKey)),
      streams: true,
      verdict: (input, cutting) => verdictOfSession(makeSealedServer, input, cutting, limits),
    },
    {
      name: 'sealed-client',
      seeds: conversations.map(({ toClient }) => toClient),
      structured: helloAndRecords('server', encodeSpki(serverKey)),
      streams: true,
      verdict: (input, cutting) => verdictOfSession(makeSealedClient, input, cutting, limits),
    },
    {
      name: 'sealed-resuming-server',
      seeds: [resumed.toServer],
      structured: helloAndRecords('client', encodeSpki(clientKey)),
      streams: true,
      verdict: (input, cutting) => verdictOfSession(makeResumingServer, input, cutting, limits),
    },
    {
      name: 'sealed-resuming-client',
      seeds: [resumed.toClient],
      structured: helloAndRecords('server', encodeSpki(serverKey)),
      streams: true,
      verdict: (input, cutting) => verdictOfSession(makeResumingClient, input, cutting, limits),
    },
  ];
}

/** Records of an open connection, without a handshake before them. */
function recordsTarget(): Target {
  const seeds = [undefined, 64, 'padme' as const].map(
    (padding) => new Uint8Array(Buffer.concat(speech(openRecords(padding)))),
  );
  return {
    name: 'sealed-records',
    seeds,
    structured: records,
    streams: true,
    verdict: (input, cutting) => verdictOfSession(() => openRecords(), input, cutting, limits),
  };
}

function openRecords(padding?: Padding): Recorder {
  return openEnd({ backend: insecure, maxMessage: MAX_MESSAGE, maxRecord: MAX_RECORD, padding });
}

function start(script: Script): Recorder {
  const end = new Recorder(script);
  end.session.start();
  return end;
}

async function classicTargets(): Promise<Target[]> {
  const { toServer, toClient } = await record(classicClientEnd, classicServerEnd);
  return [
    {
      name: 'classic-server',
      seeds: [toServer],
      structured: classicFrames(serverKey.n.length),
      streams: true,
      verdict: (input, cutting) => verdictOfSession(classicServerEnd, input, cutting, limits),
    },
    {
      name: 'classic-client',
      seeds: [toClient, encodePickle(serverKey)],
      streams: true,
      // nothing may follow the key at once, so that a client which sees both together refuses (K1)
      verdict: (input, cutting) =>
        verdictOfSession(classicClientEnd, input, cutting, { ...limits, alone: pickleLength(input) }),
    },
  ];
}

function pickleLength(input: Uint8Array): number {
  try {
    const read = decodePickle(input);
    return read === 'incomplete' ? 0 : read.length;
  } catch (error) {
    if (error instanceof SecureSocketError) return 0;
    throw error;
  }
}

/** The whole ends of both protocols, on a backend that lets changed bytes through. */
export async function sessionTargets(): Promise<Target[]> {
  return [...(await makeSealedTargets()), recordsTarget(), ...(await classicTargets())];
}
