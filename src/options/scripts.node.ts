import type { Backend, KeyEncapsulation, RsaPrivateKey } from '../backend.js';
import type { PrivateKeyQueue } from '../connection/private-key-queue.js';
import { privateExponentHash } from '../core/classic/pkcs1.js';
import { classicClient, classicServer } from '../core/classic/scripts.js';
import type { PeerKey, Script } from '../core/script.js';
import { sealedClient } from '../core/sealed/client.js';
import { sealedServer } from '../core/sealed/server.js';
import { defaultSuites, hasHybrid, type SuiteName } from '../core/sealed/suites.js';
import { SecureSocketError } from '../errors.js';
import { Identity, type IdentityRole, privateNumbersOf } from '../identity.node.js';
import { AuthorizedKeys } from '../trust/authorized-keys.node.js';
import { type FileOption, pathOf } from '../trust/file-location.node.js';
import { pinned, type Target, type Trust, trustOf } from '../trust/trust.node.js';
import type { ClientSettings, CommonOptions, ServerSettings } from './options.js';
import { protectMemory } from './protect-memory.node.js';

/** A server's key and what makes the script of each connection. */
export interface ServerPlan {
  readonly fingerprint: string;
  readonly script: () => Script;
}

/** A client's script for one connection, and what is to happen once the server is proven. */
export interface ClientPlan {
  readonly script: Script;
  readonly confirmed?: (fingerprint: string) => Promise<void>;
}

/** Makes or takes the server's key and everything that its connections share. */
export async function planServer(settings: ServerSettings, queue: PrivateKeyQueue): Promise<ServerPlan> {
  const { backend } = settings;
  warnOnce(backend.native ? undefined : javascriptServer(backend));
  const isClassic = settings.protocol === 'classic';
  const identity = await serverIdentity(settings, isClassic ? 'classic-server' : 'server');
  const key = backend.rsaPrivateKey(privateNumbersOf(identity));
  const script = isClassic
    ? classicScripts(settings, identity, key)
    : await sealedScripts(settings, identity, key, queue);
  return { fingerprint: identity.fingerprint, script };
}

/** The script of one connection to a server. Throws NO_TRUST if sealed has nothing to trust by. */
export async function planClient(settings: ClientSettings, target: Target | undefined): Promise<ClientPlan> {
  return settings.protocol === 'classic'
    ? classicPlan(settings)
    : sealedPlan(settings, trustOf(settings, target));
}

function classicScripts(
  settings: ServerSettings,
  identity: Identity,
  privateKey: RsaPrivateKey,
): () => Script {
  const { backend, keyLength, maxMessage } = settings;
  warnOnce(classicWarning);
  const { n, e, d } = privateNumbersOf(identity);
  const rejectionSecret = privateExponentHash(backend, d, n.length);
  const options = {
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
  settings: ServerSettings,
  identity: Identity,
  key: RsaPrivateKey,
  queue: PrivateKeyQueue,
): Promise<() => Script> {
  const { backend, clientAuth, maxMessage, maxRecord, keylog } = settings;
  const suites = suitesOf(settings);
  const mlKem768 = await kemFor(backend, suites);
  const authorize = await authorizer(settings);
  const { spki } = identity;
  warnOnce(keylog && keylogWarning);
  const busy = (): boolean => queue.isFull;
  const options = {
    keylog,
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
    protectMemory,
  };
  return () => sealedServer(options);
}

function classicPlan(settings: ClientSettings): ClientPlan {
  const { backend, keyLength, maxMessage, minModulusBits, settleMs, serverKey } = settings;
  warnOnce(classicWarning);
  const trust =
    serverKey === undefined ? undefined : pinned(typeof serverKey === 'string' ? [serverKey] : serverKey);
  const decide = trust && (({ spki, fingerprint }: PeerKey) => trust.decide(spki, fingerprint));
  const script = classicClient({
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

async function sealedPlan(settings: ClientSettings, trust: Trust): Promise<ClientPlan> {
  const { backend, maxMessage, maxRecord, keylog } = settings;
  warnOnce(keylog && keylogWarning);
  const suites = suitesOf(settings);
  const mlKem768 = await kemFor(backend, suites);
  const identity = clientIdentity(settings);
  const decide = (spki: Uint8Array, fingerprint: string): unknown => trust.decide(spki, fingerprint);
  const script = sealedClient({
    backend,
    keylog,
    suites,
    mlKem768,
    identity,
    maxMessage,
    maxRecord,
    decide,
    protectMemory,
  });
  const { confirmed } = trust;
  return confirmed ? { script, confirmed } : { script };
}

async function serverIdentity(settings: ServerSettings, role: IdentityRole): Promise<Identity> {
  const { identity, modulusLength, backend } = settings;
  if (identity) return checkRole(identity, role);
  if (role === 'server') warnOnce(ephemeralIdentity);
  return Identity.generate({ role, modulusLength, backend });
}

function clientIdentity({
  identity,
  backend,
}: ClientSettings): { spki: Uint8Array; key: RsaPrivateKey } | undefined {
  if (identity === undefined) return undefined;
  checkRole(identity, 'client');
  const ofIdentity = importedKeys.get(identity) ?? new WeakMap<Backend, RsaPrivateKey>();
  importedKeys.set(identity, ofIdentity);
  const key = ofIdentity.get(backend) ?? backend.rsaPrivateKey(privateNumbersOf(identity));
  ofIdentity.set(backend, key);
  return { spki: identity.spki, key };
}

/** A program that connects often, as a tunnel does, has its key decoded and checked once. */
const importedKeys = new WeakMap<Identity, WeakMap<Backend, RsaPrivateKey>>();

function checkRole(identity: Identity, role: IdentityRole): Identity {
  if (identity.role === role) return identity;
  throw new SecureSocketError(
    'BAD_IDENTITY',
    `the identity ${identity.fingerprint} has the role ${identity.role}; here it takes one of role ${role}`,
  );
}

function suitesOf({ suites, backend }: CommonOptions & { backend: Backend }): readonly SuiteName[] {
  return suites ?? defaultSuites(backend);
}

async function kemFor(backend: Backend, suites: readonly SuiteName[]): Promise<KeyEncapsulation | undefined> {
  return hasHybrid(suites) ? backend.mlKem768() : undefined;
}

async function authorizer(
  settings: ServerSettings,
): Promise<((spki: Uint8Array, fingerprint: string) => unknown) | undefined> {
  const { authorizedKeys, verifyClient, backend } = settings;
  if (verifyClient)
    return async (spki, fingerprint) => (await verifyClient(spki.slice(), fingerprint)) === true;
  if (authorizedKeys === undefined) return undefined;
  const isList = typeof authorizedKeys === 'string' || Array.isArray(authorizedKeys);
  const source = isList ? [authorizedKeys].flat() : pathOf(authorizedKeys as FileOption | URL);
  const keys = await AuthorizedKeys.open(source, backend);
  return (_, fingerprint) => keys.find(fingerprint);
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
  text: 'this server has no identity and made a key for itself: clients that pin it lose it with the process',
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
    text: `the ${name} backend is JavaScript and not constant-time: a server on a network should use the node backend`,
    type: 'SecurityWarning',
    code: 'SECURE_SOCKETS_JAVASCRIPT_SERVER',
  };
}

const warned = new Set<string>();

function warnOnce(warning: Warning | undefined): void {
  if (warning === undefined || warned.has(warning.code)) return;
  warned.add(warning.code);
  process.emitWarning(warning.text, { type: warning.type, code: warning.code });
}

/** How many RSA private operations run at once: one where they may be done on the thread of everything else. */
export function privateKeyConcurrency({ backend, protocol }: ServerSettings): number {
  return backend.native && protocol === 'sealed' ? 2 : 1;
}
