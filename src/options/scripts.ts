import type { Backend, KeyEncapsulation, RsaPrivateKey } from '../backend.js';
import type { PrivateKeyQueue } from '../connection/private-key-queue.js';
import { decodeSpki } from '../core/encodings/der.js';
import { canonicalHost } from '../core/encodings/host-name.js';
import type { ProtectMemory } from '../core/message-memory.js';
import type { PeerKey, Script } from '../core/script.js';
import { type SealedClientOptions, sealedClient } from '../core/sealed/client.js';
import { sealedServer } from '../core/sealed/server.js';
import { defaultSuites, hasHybrid, type SuiteName } from '../core/sealed/suites.js';
import { callSafely, emitWarning } from '../diagnostics.js';
import { SecureSocketError } from '../errors.js';
import { type PortableIdentity, privateKeyOf, privateNumbersOf } from '../identity/identity.js';
import type { GenerateOptions } from '../identity/making.js';
import type { IdentityRole } from '../identity/roles.js';
import { type SessionName, sessionsAccess } from '../sessions/sessions.js';
import { TicketKeys } from '../sessions/ticket-keys.js';
import { PortableAuthorizedKeys } from '../trust/authorized-keys.js';
import type { AuthorizedKeysSource } from '../trust/authorized-keys.node.js';
import { PortableKnownHosts } from '../trust/known-hosts.js';
import type { KnownHostsSource } from '../trust/known-hosts.node.js';
import { pinned, type Target, type Trust, trustOf } from '../trust/trust.js';
import type { ClientSettings, CommonOptions, ServerSettings } from './options.js';

/** A server's key and what makes the script of each connection. */
export interface ServerPlan {
  readonly fingerprint: string;
  readonly script: () => Script;
  /** Wipes what only running servers need. */
  readonly close?: () => void;
  /** Who is let in, if a list says it. */
  readonly authorizedKeys?: PortableAuthorizedKeys | undefined;
}

/** A client's script for one connection, and what is to happen once the server is proven. */
export interface ClientPlan {
  readonly script: Script;
  readonly confirmed?: (fingerprint: string) => Promise<void>;
}

/** What a server's scripts take of the platform; the rest of them is the same everywhere. */
export interface ServerScriptPlatform {
  readonly generateIdentity: (options: GenerateOptions) => Promise<PortableIdentity>;
  readonly openAuthorizedKeys: (source: AuthorizedKeysSource) => PortableAuthorizedKeys;
  readonly protectMemory: ProtectMemory | undefined;
}

/** The same for a client's. */
export interface ClientScriptPlatform {
  readonly openKnownHosts: (source: KnownHostsSource) => PortableKnownHosts;
  readonly protectMemory: ProtectMemory | undefined;
}

/** Makes or takes the server's key and everything that its connections share. */
export async function planServer(
  platform: ServerScriptPlatform,
  settings: ServerSettings,
  queue: PrivateKeyQueue,
): Promise<ServerPlan> {
  const { backend } = settings;
  warnOnce(backend.native ? undefined : javascriptServer(backend));
  const isClassic = settings.protocol === 'classic';
  const identity = await serverIdentity(platform, settings, isClassic ? 'classic-server' : 'server');
  const authorizedKeys = await authorizedKeysOf(platform, settings);
  const { fingerprint } = identity;
  if (isClassic)
    return { fingerprint, script: await classicScripts(platform, settings, identity), authorizedKeys };
  const tickets = ticketKeysOf(settings, identity);
  const authorize = authorizer(settings, authorizedKeys);
  const script = await sealedScripts(platform, settings, identity, { authorize, tickets, queue });
  return { fingerprint, script, authorizedKeys, close: () => tickets?.close() };
}

/** The script of one connection to a server. Throws NO_TRUST if sealed has nothing to trust by. */
export async function planClient(
  platform: ClientScriptPlatform,
  settings: ClientSettings,
  target: Target | undefined,
): Promise<ClientPlan> {
  if (settings.protocol === 'classic') return classicPlan(platform, settings);
  const trust = trustOf({ ...settings, knownHosts: knownHostsOf(platform, settings) }, target);
  return sealedPlan(platform, settings, trust, target);
}

/** Loaded when it is asked for: most programs never do. */
const loadClassic = (): Promise<typeof import('../core/classic/scripts.js')> =>
  import('../core/classic/scripts.js');

async function classicScripts(
  { protectMemory }: ServerScriptPlatform,
  settings: ServerSettings,
  identity: PortableIdentity,
): Promise<() => Script> {
  const { classicServer, privateExponentHash } = await loadClassic();
  const { backend, keyLength, maxMessage, keylog } = settings;
  warnOnce(classicWarning);
  warnOnce(keylog && keylogWarning);
  const privateKey = privateKeyOf(identity, backend);
  const { n, e, d } = privateNumbersOf(identity);
  const rejectionSecret = privateExponentHash(backend, d, n.length);
  const options = {
    keylog,
    backend,
    keyLength,
    maxMessage,
    publicKey: { n, e },
    privateKey,
    rejectionSecret,
    protectMemory,
  };
  return () => classicServer(options);
}

async function sealedScripts(
  { protectMemory }: ServerScriptPlatform,
  settings: ServerSettings,
  identity: PortableIdentity,
  { authorize, tickets, queue }: SharedByConnections,
): Promise<() => Script> {
  const { backend, clientAuth, maxMessage, maxRecord } = settings;
  const keylog = keylogOf(settings);
  const suites = suitesOf(settings);
  const mlKem768 = await kemFor(backend, suites);
  const { spki } = identity;
  const key = privateKeyOf(identity, backend);
  if (!identity.extractable) await tryDecrypting(key, backend, spki);
  warnOnce(keylog && keylogWarning);
  const busy = (): boolean => queue.isFull;
  const options = {
    isPatient: true,
    keylog,
    padding: settings.padding,
    backend,
    spki,
    key,
    suites,
    mlKem768,
    clientAuth,
    authorize,
    maxMessage,
    maxRecord,
    busy,
    tickets,
    protectMemory,
  };
  return () => sealedServer(options);
}

interface SharedByConnections {
  readonly authorize: Authorizer | undefined;
  readonly tickets: TicketKeys | undefined;
  readonly queue: PrivateKeyQueue;
}

function ticketKeysOf(
  { backend, ticketKeys, ticketLifetime }: ServerSettings,
  { spki }: PortableIdentity,
): TicketKeys | undefined {
  if (ticketLifetime === 0) return undefined;
  const serverHash = backend.sha256(spki);
  return new TicketKeys({ backend, serverHash, lifetime: ticketLifetime, shared: ticketKeys });
}

async function classicPlan(
  { protectMemory }: ClientScriptPlatform,
  settings: ClientSettings,
): Promise<ClientPlan> {
  const { classicClient } = await loadClassic();
  const { backend, keyLength, maxMessage, minModulusBits, settleMs, serverKey, keylog } = settings;
  warnOnce(classicWarning);
  warnOnce(keylog && keylogWarning);
  const trust =
    serverKey === undefined ? undefined : pinned(typeof serverKey === 'string' ? [serverKey] : serverKey);
  const decide = trust && (({ spki, fingerprint }: PeerKey) => trust.decide(spki, fingerprint));
  const script = classicClient({
    keylog,
    backend,
    keyLength,
    maxMessage,
    minModulusBits,
    settleMs,
    decide,
    protectMemory,
  });
  return { script };
}

async function sealedPlan(
  { protectMemory }: ClientScriptPlatform,
  settings: ClientSettings,
  trust: Trust,
  target: Target | undefined,
): Promise<ClientPlan> {
  const { backend, maxMessage, maxRecord } = settings;
  const keylog = keylogOf(settings);
  warnOnce(keylog && keylogWarning);
  const suites = suitesOf(settings);
  const mlKem768 = await kemFor(backend, suites);
  const identity = clientIdentity(settings);
  const decide = (spki: Uint8Array, fingerprint: string): unknown => trust.decide(spki, fingerprint);
  const script = sealedClient({
    isPatient: true,
    backend,
    keylog,
    padding: settings.padding,
    suites,
    mlKem768,
    identity,
    maxMessage,
    maxRecord,
    decide,
    protectMemory,
    ...(await sessionsFor(settings, trust, target)),
  });
  const { confirmed } = trust;
  return confirmed ? { script, confirmed } : { script };
}

/** Takes tickets out of the client's sessions, and keeps new ones there. */
async function sessionsFor(
  { sessions, identity }: ClientSettings,
  trust: Trust,
  target: Target | undefined,
): Promise<Pick<SealedClientOptions, 'takeTicket' | 'keepTicket'>> {
  if (sessions === undefined) return {};
  const name: SessionName = { target: nameOf(target), identity: identity?.fingerprint };
  const known: string[] = [];
  for (const { spki, fingerprint } of sessionsAccess.servers(sessions, name))
    if (await trust.knows(spki, fingerprint)) known.push(fingerprint);
  const begun = Date.now();
  let chain: number | undefined;
  return {
    takeTicket: () => {
      const taken = firstOf(known, (one) => sessionsAccess.take(sessions, name, one));
      chain = taken?.since;
      return taken;
    },
    keepTicket: (ticket) => {
      // a chain is as old as its full handshake, whatever its server says
      sessionsAccess.keep(sessions, name, ticket, ticket.resumed ? (chain ?? begun) : begun);
    },
  };
}

/** The first result that there is; nothing is asked of those behind it. */
function firstOf<Item, Result>(
  items: readonly Item[],
  of: (item: Item) => Result | undefined,
): Result | undefined {
  for (const item of items) {
    const result = of(item);
    if (result !== undefined) return result;
  }
  return undefined;
}

function nameOf(target: Target | undefined): string {
  if (target === undefined) return '';
  return JSON.stringify([canonicalHost(target.host) ?? target.host, target.port]);
}

async function serverIdentity(
  platform: ServerScriptPlatform,
  settings: ServerSettings,
  role: IdentityRole,
): Promise<PortableIdentity> {
  const { identity, modulusLength, backend } = settings;
  if (identity) return identity;
  if (role === 'server') warnOnce(ephemeralIdentity);
  return platform.generateIdentity({ role, modulusLength, backend });
}

function clientIdentity({
  identity,
  backend,
}: ClientSettings): { spki: Uint8Array; key: RsaPrivateKey } | undefined {
  if (identity === undefined) return undefined;
  return { spki: identity.spki, key: privateKeyOf(identity, backend) };
}

/** Keeps a mistake in the function from ending connections. */
function keylogOf({ keylog }: CommonOptions): ((line: string) => void) | undefined {
  return keylog && ((line) => callSafely('keylog', () => keylog(line)));
}

function suitesOf({ suites, backend }: CommonOptions & { backend: Backend }): readonly SuiteName[] {
  return suites ?? defaultSuites(backend);
}

async function kemFor(backend: Backend, suites: readonly SuiteName[]): Promise<KeyEncapsulation | undefined> {
  return hasHybrid(suites) ? backend.mlKem768() : undefined;
}

/** The list of clients, which must be good to begin with. */
async function authorizedKeysOf(
  { openAuthorizedKeys }: ServerScriptPlatform,
  { authorizedKeys }: ServerSettings,
): Promise<PortableAuthorizedKeys | undefined> {
  if (authorizedKeys === undefined) return undefined;
  const keys =
    authorizedKeys instanceof PortableAuthorizedKeys ? authorizedKeys : openAuthorizedKeys(authorizedKeys);
  await keys.list();
  return keys;
}

type Authorizer = (spki: Uint8Array, fingerprint: string) => unknown;

function authorizer(
  { verifyClient }: ServerSettings,
  keys: PortableAuthorizedKeys | undefined,
): Authorizer | undefined {
  if (verifyClient)
    return async (spki, fingerprint) => (await verifyClient(spki.slice(), fingerprint)) === true;
  return keys && ((_, fingerprint) => keys.check(fingerprint));
}

/** A key that somebody else keeps may be unusable, which no client should be the first to notice. */
async function tryDecrypting(key: RsaPrivateKey, backend: Backend, spki: Uint8Array): Promise<void> {
  const [message, label] = [backend.randomBytes(32), backend.randomBytes(8)];
  const ciphertext = backend.rsaPublicKey(decodeSpki(spki)).encryptOaep(message, label);
  const decrypted = await key.decryptOaep(ciphertext, label).catch((error: unknown) => {
    if (error instanceof SecureSocketError) throw error;
    return new Uint8Array(0);
  });
  if (decrypted.length === message.length && backend.equal(decrypted, message)) return;
  throw new SecureSocketError(
    'BAD_IDENTITY',
    "decrypt() does not decrypt RSAES-OAEP with SHA-256, MGF1 with SHA-256 and a label under the identity's spki",
  );
}

/** One object for a client, since a FIFO can be read only once. */
const hostsOf = new WeakMap<ClientSettings, PortableKnownHosts>();

function knownHostsOf(
  { openKnownHosts }: ClientScriptPlatform,
  settings: ClientSettings,
): PortableKnownHosts | undefined {
  const { knownHosts } = settings;
  if (knownHosts === undefined || knownHosts instanceof PortableKnownHosts) return knownHosts;
  const hosts = hostsOf.get(settings) ?? openKnownHosts(knownHosts);
  hostsOf.set(settings, hosts);
  return hosts;
}

/** A warning of the process: its text, type and code. */
interface Warning {
  readonly text: string;
  readonly type: string;
  readonly code: string;
}

const classicWarning: Warning = {
  text: 'the classic protocol has no authentication, no integrity and no forward secrecy: it is for peers of the old Python library only',
  type: 'SecurityWarning',
  code: 'SECURE_SOCKETS_CLASSIC',
};

const ephemeralIdentity: Warning = {
  text: 'this server has no identity and makes a key for itself, which takes a second or so before it listens; clients that pin the key lose it with the process',
  type: 'Warning',
  code: 'SECURE_SOCKETS_EPHEMERAL_IDENTITY',
};

const keylogWarning: Warning = {
  text: 'the keylog option gives away the secrets of every connection: it is for debugging only',
  type: 'SecurityWarning',
  code: 'SECURE_SOCKETS_KEYLOG',
};

function javascriptServer({ name }: Backend): Warning {
  return {
    text: `the ${name} backend is ${name === 'web' ? 'in part ' : ''}JavaScript and not constant-time: a server on a network should use the node backend`,
    type: 'SecurityWarning',
    code: 'SECURE_SOCKETS_JAVASCRIPT_SERVER',
  };
}

const warned = new Set<string>();

function warnOnce(warning: Warning | undefined): void {
  if (warning === undefined || warned.has(warning.code)) return;
  warned.add(warning.code);
  emitWarning(warning.text, { type: warning.type, code: warning.code });
}

/** How many RSA private operations run at once: one where they may be done on the thread of everything else. */
export function privateKeyConcurrency({ backend, protocol }: ServerSettings): number {
  return backend.native && protocol === 'sealed' ? 2 : 1;
}
