import { duplexPair } from 'node:stream';
import {
  AuthorizedKeys,
  bridge,
  bunWebSocket,
  connect,
  fromDuplex,
  Identity,
  IdentityStore,
  KnownHosts,
  listen,
  messagePort,
  reconnecting,
  SecureClient,
  SecureServer,
  webSocket,
  webStreams,
} from 'secure-sockets';
import { checkTransport } from 'secure-sockets/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Pair, pair } from './helpers/sockets.js';

// Every call of the public API refuses what it does not know and values of another type, before it begins anything; and
// one that returns a promise never throws.

let ends: Pair;
let identity: Identity;
beforeAll(async () => {
  ends = await pair('sealed', { server: { allowHalfOpen: true }, client: { allowHalfOpen: true } });
  identity = await Identity.generate({ modulusLength: 2048 });
});
afterAll(() => ends[Symbol.asyncDispose]());

const pin = `SHA256:${'A'.repeat(43)}`;
const bytes = new Uint8Array(1);
const hosts = (): KnownHosts => new KnownHosts({ load: async () => '', save: async () => {} });
const keys = (): AuthorizedKeys => new AuthorizedKeys([]);
const streams = (): never => new TransformStream() as never;
const port = (): never => new MessageChannel().port1 as never;
const to = { host: '127.0.0.1', port: 1 };

/** Calls that take an object of options, as a function of it. Where it has a signal, that is tried too. */
const withOptions: [name: string, call: (options: never) => unknown, hasSignal?: true][] = [
  ['new SecureClient()', (options) => new SecureClient(options)],
  ['new SecureServer()', (options) => new SecureServer(options)],
  ['connect()', (options) => connect(to, options), true],
  ['listen()', (options) => listen(options)],
  ['client.connect()', (options) => new SecureClient({ serverKey: pin }).connect(to, options), true],
  ['client.send()', (options) => ends.client.send(bytes, options), true],
  ['client.recv()', (options) => ends.client.recv(options), true],
  ['client.end()', (options) => ends.client.end(options)],
  ['client.close()', (options) => ends.client.close(options), true],
  ['server.accept()', (options) => ends.server.accept(options), true],
  ['server.close()', (options) => ends.server.close(options)],
  ['server.reload()', (options) => ends.server.reload(options)],
  ['server.bind()', (options) => new SecureServer().bind(options)],
  ['reconnecting() of clients', (options) => reconnecting(to, options).next()],
  ['reconnecting()', (options) => reconnecting(to, { serverKey: pin }, options).next(), true],
  ['bridge()', (options) => bridge(ends.client, ends.peer, options), true],
  ['Identity.generate()', (options) => Identity.generate(options)],
  ['Identity.load()', (options) => Identity.load('/nothing/there', options)],
  ['Identity.fromPem()', (options) => Identity.fromPem(identity.toPem(), options)],
  ['Identity.fromKeyPair()', (options) => Identity.fromKeyPair({} as never, options)],
  ['identity.save()', (options) => identity.save('/nothing/there', options)],
  ['identity.toPem()', (options) => identity.toPem(options)],
  ['new IdentityStore()', (options) => new IdentityStore(options)],
  ['new AuthorizedKeys()', (options) => new AuthorizedKeys([], options)],
  ['webSocket()', (options) => webSocket('ws://127.0.0.1:1', options)],
  ['bunWebSocket()', (options) => bunWebSocket(() => {}, options)],
  ['webStreams()', (options) => webStreams(streams(), options)],
  ['messagePort()', (options) => messagePort(port(), options)],
  ['checkTransport()', (options) => checkTransport(() => [] as never, options)],
];

const notOptions: [name: string, value: unknown][] = [
  ['a member that there is not', { nonsense: 1 }],
  ['a misspelled member', { Signal: AbortSignal.timeout(60_000) }],
  ['a number', 5],
  ['text', 'text'],
  ['null', null],
  ['a list', []],
  ['a signal in place of { signal }', new AbortController().signal],
  ['a function', () => {}],
  ['a member that is inherited', Object.create({ signal: AbortSignal.timeout(60_000) })],
  [
    'a member that a prototype without one of its own has',
    Object.create(Object.create(null, { signal: { value: 1 } })),
  ],
  [
    'a getter of a class',
    new (class Settings {
      get authorizedKeys(): string[] {
        return [pin];
      }
    })(),
  ],
];

const notSignals: unknown[] = [new AbortController(), {}, 'abort', 5, null, () => {}];

describe.each(withOptions)('%s', (name, call) => {
  // a number is a port to listen()
  const refused = notOptions.filter(([, value]) => name !== 'listen()' || typeof value !== 'number');

  it.each(refused)('refuses %s', async (_, value) => {
    await refuses(name, () => call(value as never));
  });
});

it('takes options of a class that has them as members of its objects', () => {
  class Settings {
    serverKey = pin;
  }
  expect(new SecureClient(new Settings())).toBeInstanceOf(SecureClient);
  expect(new SecureClient(Object.assign(Object.create(null), { serverKey: pin }))).toBeInstanceOf(
    SecureClient,
  );
  expect(() => new SecureServer(Object.create({ authorizedKeys: [pin] }))).toThrow(
    'SecureServer takes an object of options, none of them inherited',
  );
});

describe.each(withOptions.filter(([, , hasSignal]) => hasSignal))('%s', (name, call) => {
  it('refuses a signal that is none', async () => {
    for (const signal of notSignals) await refuses(name, () => call({ signal } as never));
  });
});

/** Calls with a first, or second, argument that has to be something. */
const withValues: [name: string, call: (value: never) => unknown, wrong: readonly unknown[]][] = [
  [
    'connect()',
    (value) => connect(value, { serverKey: pin }),
    [undefined, null, 5, 'text', {}, { port: 'x' }],
  ],
  [
    'client.connect()',
    (value) => new SecureClient({ serverKey: pin }).connect(value),
    [null, 9000, {}, { port: 0 }],
  ],
  [
    'client.send()',
    (value) => ends.client.send(value),
    [undefined, null, 'text', 5, [1], new ArrayBuffer(1), {}],
  ],
  ['client.end()', (code) => ends.client.end({ code }), ['1', 2, 1.5, -1, 65_536, {}]],
  ['client.close()', (code) => ends.client.close({ code }), ['1', 2, 1.5, -1, 65_536, {}]],
  ['client.exportKey()', (value) => ends.client.exportKey(value, bytes, 32), [undefined, 5, {}, null]],
  [
    'client.exportKey() with a context',
    (value) => ends.client.exportKey('a', value, 32),
    [undefined, 5, 'text', null],
  ],
  [
    'client.exportKey() of a length',
    (value) => ends.client.exportKey('a', bytes, value),
    [undefined, 0, '5', 1.5, 9000],
  ],
  ['server.attach()', (value) => new SecureServer().attach(value), [undefined, null, {}, 5, duplexPair()[0]]],
  [
    'server.bind()',
    (value) => new SecureServer().bind(value),
    [undefined, 9000, 'text', {}, { port: 70_000 }],
  ],
  ['listen()', (value) => listen(value), [null, '9000', -1, 1.5, 65_536, { path: 5 }]],
  ['server.listen()', (value) => new SecureServer().listen(value), [null, '9000', -1, 1.5, {}, { path: 5 }]],
  ['server.close()', (drain) => ends.server.close({ drain }), [-1, '5', 1.5, Number.NaN]],
  ['reconnecting()', (value) => reconnecting(value, { serverKey: pin }).next(), [undefined, null, 5, {}]],
  ['bridge()', (value) => bridge(value, ends.peer), [undefined, null, {}, new SecureServer()]],
  ['bridge() of the same', () => bridge(ends.peer, ends.peer), [undefined]],
  ['Identity.load()', (value) => Identity.load(value), [undefined, null, 5, {}]],
  [
    'Identity.load() with a passphrase',
    (passphrase) => Identity.load('/nothing', { passphrase }),
    [5, {}, null],
  ],
  ['Identity.fromPem()', (value) => Identity.fromPem(value), [undefined, null, 5, bytes]],
  ['Identity.fromSigner()', (value) => Identity.fromSigner(value), [undefined, null, 5, {}]],
  ['Identity.fromDecrypter()', (value) => Identity.fromDecrypter(value), [undefined, null, 5, {}]],
  ['Identity.generate() of a role', (role) => Identity.generate({ role }), ['admin', 5, null]],
  [
    'Identity.generate() of a length',
    (modulusLength) => Identity.generate({ modulusLength }),
    ['2048', 1, null],
  ],
  ['Identity.generate() on a backend', (backend) => Identity.generate({ backend }), ['noble', 5, {}]],
  ['identity.save()', (value) => identity.save(value), [undefined, null, 5]],
  [
    'new KnownHosts()',
    (value) => new KnownHosts(value),
    [undefined, null, 5, {}, { path: 'a', mode: 'lax' }],
  ],
  ['hosts.check()', (value) => hosts().check(value, 1, pin), [undefined, null, 5, {}]],
  ['hosts.check() of a port', (value) => hosts().check('a', value, pin), [undefined, '1', -1, 70_000]],
  ['hosts.check() of a key', (value) => hosts().check('a', 1, value), [undefined, 5, 'text']],
  ['hosts.add()', (value) => hosts().add(value, 1, pin), [undefined, null, 5, {}]],
  ['hosts.add() with a comment', (value) => hosts().add('a', 1, pin, value), [5, {}, null]],
  ['hosts.remove()', (value) => hosts().remove(value, 1), [undefined, null, 5]],
  ['hosts.find()', (value) => hosts().find(value, 1), [undefined, null, 5]],
  ['new AuthorizedKeys()', (value) => new AuthorizedKeys(value), [undefined, null, 5, {}, 'text', [5]]],
  ['keys.check()', (value) => keys().check(value), [undefined, null, 5, {}]],
  ['keys.add()', (value) => keys().add(value), [undefined, null, 5, 'text']],
  ['keys.add() with a name', (value) => keys().add(pin, value), [5, {}, null]],
  ['keys.remove()', (value) => keys().remove(value), [undefined, null, 5, 'text']],
  ['keys.watch()', (value) => keys().watch(value), [undefined, null, 5]],
  ['webSocket()', (value) => webSocket(value), [undefined, null, 5, {}]],
  ['bunWebSocket()', (value) => bunWebSocket(value), [undefined, null, {}]],
  ['webStreams()', (value) => webStreams(value), [undefined, null, 5, {}]],
  ['messagePort()', (value) => messagePort(value), [undefined, null, 5, {}]],
  ['messagePort() with a bound', (maxReadAhead) => messagePort(port(), { maxReadAhead }), ['5', 1, null]],
  ['fromDuplex()', (value) => fromDuplex(value), [undefined, null, 5, {}]],
  ['checkTransport()', (value) => checkTransport(value), [undefined, null, {}]],
];

/** Objects that say where something is, with a member that there is not. */
const withMembers: [name: string, call: (more: object) => unknown][] = [
  ['connect()', (more) => connect({ ...to, ...more }, { serverKey: pin })],
  ['new KnownHosts()', (more) => new KnownHosts({ path: 'a', ...more })],
  ['new KnownHosts() of functions', (more) => new KnownHosts({ load: () => '', save: () => {}, ...more })],
  [
    'new KnownHosts() of a storage',
    (more) => new KnownHosts({ storage: { getItem: () => '', setItem: () => {} }, ...more }),
  ],
  ['new SecureClient()', (more) => new SecureClient({ knownHosts: { path: 'a', ...more } })],
  ['new AuthorizedKeys()', (more) => new AuthorizedKeys({ path: 'a', ...more })],
  ['new SecureServer()', (more) => new SecureServer({ authorizedKeys: { path: 'a', ...more } })],
  ['Identity.load()', (more) => Identity.load({ path: '/nothing', ...more })],
  ['identity.save()', (more) => identity.save({ path: '/nothing/there', ...more })],
];

describe.each(withMembers)('%s', (name, call) => {
  it('refuses a member that there is not, such as a mode with a slip in it', async () => {
    for (const more of [{ modus: 'tofu' }, { Mode: 'tofu' }, { passphrase: 'x' }])
      await refuses(name, () => call(more));
  });
});

it('keeps known hosts in an object of a class, whatever else it has', async () => {
  class Store {
    readonly database = 'any';
    load = (): string => '';
    save = (): void => {};
  }
  expect(await new KnownHosts(new Store()).list()).toEqual([]);
});

it.each([{ host: 'a' }, { port: 1 }])(
  'client.connect() to an address refuses %j, which it would not use',
  async (more) => {
    await refuses('client.connect()', () => new SecureClient({ serverKey: pin }).connect(to, more));
  },
);

it('shows text as text where a number was wanted', async () => {
  await expect(ends.client.close({ code: '1' as never })).rejects.toThrow('not "1"');
  await expect(Identity.generate({ modulusLength: '2048' as never })).rejects.toThrow('"2048"');
  await expect(hosts().find('a', '1' as never)).rejects.toThrow('"1"');
});

describe.each(withValues)('%s', (name, call, wrong) => {
  it('refuses what it cannot use', async () => {
    for (const value of wrong) await refuses(name, () => call(value as never));
  });
});

it('leaves the connection as it was', async () => {
  await ends.client.send(bytes);
  expect(await ends.peer.recv()).toEqual(bytes);
  await ends.peer.send(bytes);
  expect(await ends.client.recv()).toEqual(bytes);
});

/** Calls that promise nothing: they throw, and all others reject. */
const atOnce =
  /^(new \w+|Identity\.from(Pem|Signer|Decrypter)|identity\.toPem|webSocket|bunWebSocket|webStreams|messagePort|fromDuplex|client\.exportKey|keys\.watch)\(/;

async function refuses(name: string, call: () => unknown): Promise<void> {
  let result: unknown;
  try {
    result = call();
  } catch (error) {
    expect(name).toMatch(atOnce);
    expectRefusal(error);
    return;
  }
  expectRefusal(
    await Promise.resolve(result).then(
      () => undefined,
      (error: unknown) => error,
    ),
  );
}

function expectRefusal(error: unknown): void {
  expect(error).toMatchObject({
    code: expect.stringMatching(/^BAD_(ARGUMENT|OPTION)$/),
    blame: 'caller',
    message: expect.stringMatching(/./),
  });
}
