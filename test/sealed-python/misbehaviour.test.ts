import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { on, once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { describeWire, PeerClient, PeerServer, type Wire } from '../helpers/misbehaving-peer.js';
import { CHACHA20, X25519 } from '../helpers/misbehaving-peer-crypto.js';
import type { Misbehaviour, TestKeys } from '../helpers/misbehaviour.js';
import { flightsOfClients } from '../helpers/misbehaviours-in-flights.js';
import { hellos } from '../helpers/misbehaviours-in-hellos.js';
import { flightsOfServers } from '../helpers/misbehaviours-of-servers.js';
import { MAX_MESSAGE, MAX_RECORD, whenOpen } from '../helpers/misbehaviours-when-open.js';
import { type PythonPeer, sealedPythonProblem, startPython } from '../helpers/python.js';
import file from '../vectors/sealed.json' with { type: 'json' };

// Whatever a peer must not do to this library it must not do to the Python peer either, with the same outcome.

const keys: TestKeys = {
  server: createPrivateKey(file.keys.server2048),
  client: createPrivateKey(file.keys.client2048),
  other: createPrivateKey(file.keys.other2048),
  weak: createPrivateKey(file.keys.weak1024),
};
const options = { max_message: MAX_MESSAGE, max_record: MAX_RECORD, timeout: 30 };
const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-python-'));
const keyFile = (name: 'server' | 'client'): string => join(folder, `${name}.pem`);

beforeAll(() => {
  writeFileSync(keyFile('server'), file.keys.server2048);
  writeFileSync(keyFile('client'), file.keys.client2048);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Suites with ML-KEM are not in Python's cryptography. */
const possible = <T extends Pick<Misbehaviour, 'setUp'>>(all: readonly T[]): T[] =>
  all.filter(({ setUp }) => setUp !== 'hybrid');

/** What became of a connection at the Python end. */
interface Told {
  readonly port?: number;
  readonly code?: string;
  readonly texts?: string[];
}

/** How long an end may take to say something, in milliseconds, until it is taken to say nothing. */
const TIMEOUT = 1000;
/** What comes within so many milliseconds belongs together. */
const PAUSE = 40;

/** The Python end, as its peer sees it over TCP. */
class TcpWire implements Wire {
  readonly socket: Socket;
  readonly suite: number;
  #chunks: Buffer[] = [];
  #isOver = false;
  #onChange = (): void => {};

  constructor(socket: Socket, suite = X25519) {
    this.socket = socket;
    this.suite = suite;
    socket.on('data', (chunk) => this.#note(() => this.#chunks.push(chunk)));
    for (const event of ['end', 'close', 'error'])
      socket.on(event, () => this.#note(() => (this.#isOver = true)));
  }

  send(bytes: Uint8Array): Promise<Buffer> {
    if (bytes.length > 0) this.socket.write(bytes);
    return this.#reaction();
  }

  end(): Promise<Buffer> {
    this.socket.end();
    return this.#reaction();
  }

  async #reaction(): Promise<Buffer> {
    const deadline = performance.now() + TIMEOUT;
    while (!this.#isOver) {
      const wait = this.#chunks.length > 0 ? PAUSE : deadline - performance.now();
      if (wait <= 0 || !(await this.#change(wait))) break;
    }
    return Buffer.concat(this.#chunks.splice(0));
  }

  /** Whether anything came within so many milliseconds. */
  #change(within: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), within);
      this.#onChange = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }

  #note(what: () => unknown): void {
    what();
    this.#onChange();
  }
}

/** A connection to a Python end. */
interface Used {
  readonly used: TcpWire;
  /** What became of it, once its peer is gone. */
  outcome(): Promise<Told>;
}

/** Whether the end said what was expected; an end that tolerates its peer fails only when that is gone. */
function expectCode(told: Told, code: string | null): void {
  if (code === null) expect([undefined, 'TRUNCATED', 'HANDSHAKE_FAILED']).toContain(told.code);
  else expect(told.code).toBe(code);
}

const texts = (told: Told): string[] => (told.texts ?? []).filter((text) => text !== 'x');

function fingerprintOf(key: KeyObject): string {
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  return `SHA256:${createHash('sha256').update(spki).digest('base64').replace(/=+$/, '')}`;
}

describe.skipIf(sealedPythonProblem)('to a Python server:', { timeout: 30_000 }, () => {
  type SetUp = Misbehaviour['setUp'] | 'slow to answer';
  const servers = new Map<SetUp, Promise<PythonPeer<{ port: number }>>>();
  const sockets: Socket[] = [];

  afterEach(() => sockets.splice(0).map((socket) => socket.destroy()));
  afterAll(async () => {
    for (const server of servers.values()) await (await server).kill();
  });

  function server(setUp: SetUp, more: object = {}): Promise<PythonPeer<{ port: number }>> {
    const clients = { 'clients none': 'none', 'clients required': 'required' }[setUp as string] ?? 'optional';
    const authorized = setUp === 'refusing' ? [] : [keys.client, keys.other].map(fingerprintOf);
    const config = {
      role: 'server',
      key: keyFile('server'),
      do: 'collect',
      clients,
      authorized,
      options,
      times: 1e9,
      ...more,
    };
    const started =
      servers.get(setUp) ?? startPython<{ port: number }>('sealed_peer.py', JSON.stringify(config));
    servers.set(setUp, started);
    return started;
  }

  async function connection(peer: PythonPeer<{ port: number }>, suite = X25519): Promise<Used> {
    const used = wireTo(peer, suite);
    await once(used.socket, 'connect');
    const { localPort } = used.socket;
    const outcome = async (): Promise<Told> => {
      used.socket.destroy();
      for (;;) {
        const told = await peer.next<Told>();
        if (told.port === localPort) return told;
      }
    };
    return { used, outcome };
  }

  function wireTo({ ready }: PythonPeer<{ port: number }>, suite = X25519): TcpWire {
    const socket = connect({ port: ready.port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    sockets.push(socket);
    return new TcpWire(socket, suite);
  }

  it.each(possible([...hellos, ...flightsOfClients]))(
    '$name: $code, $wire',
    async ({ code, wire, play, setUp }) => {
      const peer = await server(setUp);
      const { used, outcome } = await connection(peer);
      expect(await play(used, keys, () => wireTo(peer))).toBe(wire);
      const told = await outcome();
      expectCode(told, code);
      expect(texts(told)).toEqual([]);
    },
  );

  describe.each([X25519, CHACHA20])('open, suite %i:', (suite) => {
    it.each(whenOpen)('$name: $code, $wire', async ({ name, code, wire, play, delivered = [] }) => {
      const peer = await server(undefined);
      const { used, outcome } = await connection(peer, suite);
      const client = new PeerClient(used);
      await client.connect();
      expect(await play(client)).toBe(answerTo(name) ?? wire);
      const told = await outcome();
      expectCode(told, code);
      expect(texts(told)).toEqual(delivered);
    });
  });

  it('says what was wrong, however soon the program closes once it knows', async () => {
    const peer = await server('slow to answer', { delays: { _drop_what_waits: 0.1 } });
    const { used, outcome } = await connection(peer);
    const client = new PeerClient(used);
    await client.connect();
    const written = await used.send(Buffer.from([0, 0, 16]));
    expect(describeWire(written, client.receiving)).toBe('CLOSE 6');
    expect(await outcome()).toMatchObject({ code: 'PROTOCOL' });
  });
});

describe.skipIf(sealedPythonProblem)('to a Python client:', { timeout: 30_000 }, () => {
  type SetUp = 'with identity' | 'trusting, with identity' | undefined;

  /** A Python client that connects again and again. */
  interface Clients {
    readonly listener: Server;
    readonly python: Promise<PythonPeer<Told>>;
    readonly sockets: AsyncIterator<[Socket]>;
    count: number;
  }
  const started = new Map<SetUp, Promise<Clients>>();

  afterAll(async () => {
    for (const clients of started.values()) {
      const { listener, python } = await clients;
      await (await python).kill();
      listener.close();
    }
  });

  async function start(setUp: SetUp): Promise<Clients> {
    const listener = createServer({ allowHalfOpen: true, noDelay: true }).listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const sockets = on(listener, 'connection') as AsyncIterator<[Socket]>;
    const { port } = listener.address() as AddressInfo;
    const key = setUp ? { key: keyFile('client') } : {};
    const own = setUp === 'trusting, with identity' ? [keys.client] : [];
    const pin = [keys.server, ...own].map(fingerprintOf);
    const config = { role: 'client', port, pin, do: 'collect', options, ...key, times: 1e9 };
    const python = startPython<Told>('sealed_peer.py', JSON.stringify(config));
    return { listener, python, sockets, count: 0 };
  }

  /** The next connection of such a client, and what became of it. */
  async function connection(setUp?: Misbehaviour['setUp']): Promise<Used> {
    const wanted = setUp?.endsWith('with identity') ? (setUp as SetUp) : undefined;
    const starting = started.get(wanted) ?? start(wanted);
    started.set(wanted, starting);
    const clients = await starting;
    const [socket] = (await clients.sockets.next()).value as [Socket];
    const outcome = async (): Promise<Told> => {
      socket.destroy();
      const python = await clients.python;
      return clients.count++ === 0 ? python.ready : await python.next<Told>();
    };
    return { used: new TcpWire(socket), outcome };
  }

  it.each(possible(flightsOfServers))('$name: $code, $wire', async ({ code, wire, play, setUp }) => {
    const { used, outcome } = await connection(setUp);
    const another = (): Wire => {
      throw new Error('no misbehaviour of a server needs a second client');
    };
    const seen = await play(used, keys, another).catch(String);
    const told = await outcome();
    expect(seen).toBe(wire);
    expectCode(told, code);
  });

  it.each(whenOpen)('open: $name: $code, $wire', async ({ name, code, wire, play, delivered = [] }) => {
    const { used, outcome } = await connection();
    const server = new PeerServer(used, keys.server);
    const seen = await expectOpen(server, used)
      .then(() => play(server))
      .catch(String);
    const told = await outcome();
    expect(seen).toBe(answerTo(name) ?? wire);
    expectCode(told, code);
    expect(texts(told)).toEqual(delivered);
  });
});

/** The handshake with a client, up to the flight that it says nothing to. */
async function expectOpen(server: PeerServer, { socket }: TcpWire): Promise<void> {
  const hello = await server.wire.send(Buffer.alloc(0));
  socket.write(server.makeFinish(await server.wire.send(server.makeGreeting(hello))));
}

/** A whole connection answers CLOSE, which is not the task of the session that these misbehaviours are made for. */
function answerTo(name: string): string | undefined {
  return name === 'data after CLOSE is discarded' ? 'CLOSE 0' : undefined;
}
