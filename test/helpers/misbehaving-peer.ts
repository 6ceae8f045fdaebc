/**
 * A second peer of sealed v1, made from the protocol's description and node:crypto alone: nothing here comes from src.
 * It does everything right unless told otherwise, and then stays consistent with its own lie, so that only the check
 * under test stands between it and success. Both ends are in one file, because most of it is what they share.
 */
import { type KeyObject, privateDecrypt, randomBytes } from 'node:crypto';
import {
  type Cipher,
  cipherOf,
  concat,
  EMPTY,
  Keys,
  message,
  OAEP_LABEL,
  oaep,
  oaepPadding,
  pss,
  record,
  Schedule,
  Share,
  signatureInput,
  spkiOf,
  type,
  u8,
  u16,
  u32,
  vec16,
  X25519,
  ZEROS,
} from './misbehaving-peer-crypto.js';

/** The end under test, as its peer sees it: gives what it writes upon some bytes. */
export interface Wire {
  /** The suite that its peer is to use; X25519 if absent. */
  readonly suite?: number;
  send(bytes: Uint8Array): Promise<Buffer>;
  /** Ends the stream. */
  end(): Promise<Buffer>;
}

/** What an end wrote, as its peer understands it: `nothing`, `REJECT n`, `CLOSE n`, or the types of its records. */
export function describeWire(written: Buffer, keys: Keys | undefined): string {
  if (written.length === 0) return 'nothing';
  if (written.subarray(0, 5).equals(Buffer.from('SEAL\x0f'))) return `REJECT ${written[8]}`;
  const names: string[] = [];
  for (let rest = written; rest.length > 0; ) {
    const opened = keys?.open(rest);
    if (!opened) return `${rest.length} bytes`;
    names.push(describeRecord(opened));
    rest = rest.subarray(opened.length);
  }
  return names.join(', ');
}

function describeRecord({ kind, payload }: { kind: number; payload: Buffer }): string {
  if (kind === record.close) return `CLOSE ${payload.readUInt16BE(0)}`;
  return Object.keys(record).find((name) => record[name as keyof typeof record] === kind) ?? `type ${kind}`;
}

// --- a client

/** The fields of a CLIENT_HELLO. */
export interface HelloFields {
  readonly suites?: readonly number[];
  readonly share?: Buffer;
  readonly kemKey?: Buffer;
  readonly extensions?: Buffer;
  readonly countOfSuites?: number;
}

/** What a client may do otherwise in its second flight. Changes of a message enter its transcript. */
export interface ClientLies {
  readonly secret?: Buffer;
  /** What is derived from, if not `secret`. */
  readonly derivedFrom?: Buffer;
  readonly ciphertext?: (spki: Buffer) => Buffer;
  readonly clientKey?: (message: Buffer) => Buffer;
  readonly clientAuth?: (message: Buffer) => Buffer;
  readonly finished?: (message: Buffer) => Buffer;
  readonly identity?: KeyObject;
  readonly spki?: Buffer;
  readonly signature?: (transcript: Buffer) => Buffer;
  readonly limits?: Buffer;
  readonly extensions?: Buffer;
  /** What is sent of the three records; each is sealed when it is called for. */
  readonly records?: (
    records: Record<'key' | 'auth' | 'finished', () => Buffer>,
    client: PeerClient,
  ) => Buffer;
}

export class PeerClient {
  readonly random: Buffer = randomBytes(32);
  readonly schedule: Schedule = new Schedule();
  readonly wire: Wire;
  serverSpki: Buffer = EMPTY;
  /** Keys of the stages, ours and the server's. */
  handshakeKeys: [Keys, Keys] | undefined;
  authKeys: [Keys, Keys] | undefined;
  sending: Keys = new Keys(ZEROS, 'aes-256-gcm');
  receiving: Keys | undefined;
  serverFlight: Buffer = EMPTY;
  /** The second flight, as it was sent. */
  lastFlight: Buffer = EMPTY;
  readonly #share = new Share();

  constructor(wire: Wire) {
    this.wire = wire;
  }

  hello(fields: HelloFields = {}): Buffer {
    const suites = fields.suites ?? [this.wire.suite ?? X25519];
    return message(
      ...([
        type.clientHello,
        this.random,
        u8(fields.countOfSuites ?? suites.length),
        ...suites.map(u16),
      ] as const),
      ...[
        fields.share ?? this.#share.bytes,
        vec16(fields.kemKey ?? EMPTY),
        fields.extensions ?? vec16(EMPTY),
      ],
    );
  }

  /** Sends a hello and takes the server's flight, as far as it comes. */
  async greet(hello: Buffer = this.hello(), options: { dh?: Buffer; psk?: Buffer } = {}): Promise<void> {
    this.serverFlight = await this.wire.send(hello);
    const length = 8 + this.serverFlight.readUInt16BE(6);
    const serverHello = this.serverFlight.subarray(0, length);
    this.schedule.add(hello, serverHello);
    this.schedule.cipher = cipherOf(serverHello.readUInt16BE(40));
    if (options.psk) this.schedule.startWith(options.psk);
    this.schedule.mix(options.dh ?? this.#share.agree(serverHello.subarray(42, 74)));
    this.handshakeKeys = [this.schedule.keys('c hs traffic'), this.schedule.keys('s hs traffic')];
    const identity = this.handshakeKeys[1].open(this.serverFlight.subarray(length));
    if (identity === null) throw new Error('SERVER_IDENTITY does not open');
    this.schedule.add(identity.payload);
    this.serverSpki = identity.payload.subarray(19, 19 + identity.payload.readUInt16BE(17));
  }

  /** The second flight, and what the server says to it. */
  async prove(lies: ClientLies = {}): Promise<Buffer> {
    const { schedule } = this;
    const [own] = this.handshakeKeys as [Keys, Keys];
    const secret = lies.secret ?? randomBytes(32);
    const ciphertext = lies.ciphertext?.(this.serverSpki) ?? oaep(this.serverSpki, secret);
    const clientKey = applyChange(message(type.clientKey, vec16(ciphertext)), lies.clientKey);
    schedule.add(clientKey);
    schedule.mix(lies.derivedFrom ?? secret);
    const authKey = schedule.keys('c ahs traffic');
    this.authKeys = [authKey, schedule.keys('s ahs traffic')];
    const auth = applyChange(this.#auth(lies), lies.clientAuth);
    schedule.add(auth);
    schedule.mix(ZEROS);
    const finished = applyChange(
      message(type.clientFinished, schedule.finishedMac('c finished')),
      lies.finished,
    );
    schedule.add(finished);
    const records = {
      key: () => own.seal(record.handshake, clientKey),
      auth: () => authKey.seal(record.handshake, auth),
      finished: () => authKey.seal(record.handshake, finished),
    };
    this.sending = schedule.keys('c ap traffic');
    this.lastFlight =
      lies.records?.(records, this) ?? concat(records.key(), records.auth(), records.finished());
    return await this.wire.send(this.lastFlight);
  }

  /** Takes SERVER_FINISHED, after which both ends are open. */
  finish(flight: Buffer): void {
    const opened = this.authKeys?.[1].open(flight);
    if (!opened) throw new Error('SERVER_FINISHED does not open');
    const expected = message(type.serverFinished, this.schedule.finishedMac('s finished'));
    if (!opened.payload.equals(expected)) throw new Error('SERVER_FINISHED is another one');
    this.schedule.add(opened.payload);
    this.receiving = this.schedule.keys('s ap traffic');
  }

  async connect(): Promise<void> {
    await this.greet();
    this.finish(await this.prove());
  }

  #auth(lies: ClientLies): Buffer {
    const limits = lies.limits ?? concat(u32(2 ** 24), u32(2 ** 20 + 4096));
    const { transcript } = this.schedule;
    const isKnown = lies.identity !== undefined || lies.spki !== undefined;
    const spki = lies.spki ?? (lies.identity ? spkiOf(lies.identity) : EMPTY);
    const good = lies.identity ? pss(lies.identity, signatureInput(transcript)) : EMPTY;
    const signature = lies.signature?.(transcript) ?? good;
    const extensions = lies.extensions ?? vec16(EMPTY);
    return message(type.clientAuth, limits, u8(isKnown ? 1 : 0), vec16(spki), vec16(signature), extensions);
  }
}

// --- a server

/** What a server may do otherwise. Changes of a message enter its transcript. */
export interface ServerLies {
  readonly hello?: { suite?: number; share?: Buffer; kemCiphertext?: Buffer; extensions?: Buffer };
  readonly serverHello?: (message: Buffer) => Buffer;
  readonly identity?: (message: Buffer) => Buffer;
  readonly mode?: number;
  readonly limits?: Buffer;
  readonly extensions?: Buffer;
  readonly spki?: Buffer;
  /** The cipher it uses, if not that of the suite. */
  readonly cipher?: Cipher;
  /** The Diffie-Hellman secret it uses. */
  readonly dh?: Buffer;
  /** Its transcript begins with this instead of the client's hello. */
  readonly seenHello?: Buffer;
  /** The RSA secret it uses, for one that cannot decrypt. */
  readonly secret?: Buffer;
  readonly identityRecord?: (record: Buffer) => Buffer;
  readonly finished?: (message: Buffer) => Buffer;
  /** What is sent in place of SERVER_FINISHED, which is sealed when called for. */
  readonly finishedRecord?: (record: () => Buffer, server: PeerServer) => Buffer;
}

export class PeerServer {
  readonly key: KeyObject;
  readonly wire: Wire;
  readonly lies: ServerLies;
  readonly schedule: Schedule = new Schedule();
  clientHello: Buffer = EMPTY;
  clientFlight: Buffer = EMPTY;
  clientAuth: Buffer = EMPTY;
  serverFinished: Buffer = EMPTY;
  lastFlight: Buffer = EMPTY;
  authKeys: [Keys, Keys] | undefined;
  sending: Keys = new Keys(ZEROS, 'aes-256-gcm');
  receiving: Keys | undefined;
  readonly #share = new Share();
  #handshakeKeys: [Keys, Keys] | undefined;

  constructor(wire: Wire, key: KeyObject, lies: ServerLies = {}) {
    this.wire = wire;
    this.key = key;
    this.lies = lies;
  }

  /** The first flight, upon the client's hello. */
  makeGreeting(hello: Buffer): Buffer {
    const { lies, schedule } = this;
    this.clientHello = hello;
    const {
      suite = this.wire.suite ?? X25519,
      share = this.#share.bytes,
      kemCiphertext = EMPTY,
    } = lies.hello ?? {};
    const extensions = lies.hello?.extensions ?? vec16(EMPTY);
    const good = message(
      ...([type.serverHello, randomBytes(32), u16(suite), share, vec16(kemCiphertext), extensions] as const),
    );
    const serverHello = applyChange(good, lies.serverHello);
    schedule.cipher = lies.cipher ?? cipherOf(suite);
    schedule.add(lies.seenHello ?? hello, serverHello);
    const suites = hello.readUInt8(40);
    schedule.mix(lies.dh ?? this.#share.agree(hello.subarray(41 + 2 * suites, 73 + 2 * suites)));
    this.#handshakeKeys = [schedule.keys('s hs traffic'), schedule.keys('c hs traffic')];
    const identity = applyChange(this.#identity(), lies.identity);
    schedule.add(identity);
    return concat(
      serverHello,
      applyChange(this.#handshakeKeys[0].seal(record.handshake, identity), lies.identityRecord),
    );
  }

  /** The last flight, upon the client's second one. Keys without the RSA secret are no use to read that one. */
  makeFinish(flight: Buffer): Buffer {
    const { lies, schedule } = this;
    this.clientFlight = flight;
    const clientKey = this.#handshakeKeys?.[1].open(flight);
    if (!clientKey) throw new Error('CLIENT_KEY does not open');
    schedule.add(clientKey.payload);
    schedule.mix(lies.secret ?? this.#decrypt(clientKey.payload.subarray(10)));
    this.authKeys = [schedule.keys('s ahs traffic'), schedule.keys('c ahs traffic')];
    let rest = flight.subarray(clientKey.length);
    for (const name of ['auth', 'finished']) {
      const opened = this.authKeys[1].open(rest);
      if (!opened) break;
      if (name === 'auth') this.clientAuth = opened.payload;
      schedule.add(opened.payload);
      if (name === 'auth') schedule.mix(ZEROS);
      rest = rest.subarray(opened.length);
    }
    this.receiving = schedule.keys('c ap traffic');
    const finished = applyChange(
      message(type.serverFinished, schedule.finishedMac('s finished')),
      lies.finished,
    );
    this.serverFinished = finished;
    schedule.add(finished);
    this.sending = schedule.keys('s ap traffic');
    const [authKey] = this.authKeys;
    const seal = (): Buffer => authKey.seal(record.handshake, finished);
    this.lastFlight = lies.finishedRecord?.(seal, this) ?? seal();
    return this.lastFlight;
  }

  /** Both flights, and what the client says to the last. */
  async accept(hello: Buffer): Promise<Buffer> {
    const flight = await this.wire.send(this.makeGreeting(hello));
    if (flight.length === 0) return flight;
    return await this.wire.send(this.makeFinish(flight));
  }

  #identity(): Buffer {
    const {
      mode = 1,
      limits = concat(u32(2 ** 24), u32(2 ** 20 + 4096)),
      extensions = vec16(EMPTY),
    } = this.lies;
    return message(
      type.serverIdentity,
      u8(mode),
      limits,
      vec16(this.lies.spki ?? spkiOf(this.key)),
      extensions,
    );
  }

  #decrypt(ciphertext: Buffer): Buffer {
    return privateDecrypt({ key: this.key, ...oaepPadding, oaepLabel: OAEP_LABEL }, ciphertext);
  }
}

function applyChange(good: Buffer, change: ((good: Buffer) => Buffer) | undefined): Buffer {
  return change?.(good) ?? good;
}
