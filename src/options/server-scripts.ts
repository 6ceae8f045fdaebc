import type { Backend, RsaPrivateKey } from '../backend.js';
import { inTime } from '../connection/in-time.js';
import type { PrivateKeyQueue } from '../connection/private-key-queue.js';
import { decodeSpki } from '../core/encodings/der.js';
import type { ProtectMemory } from '../core/message-memory.js';
import type { Script } from '../core/script.js';
import { sealedServer } from '../core/sealed/server.js';
import { fetched, SecureSocketError } from '../errors.js';
import { type PortableIdentity, privateNumbersOf } from '../identity/identity.js';
import type { GenerateOptions } from '../identity/making.js';
import { privateKeyOf } from '../identity/private-keys.js';
import type { IdentityRole } from '../identity/roles.js';
import { TicketKeys } from '../sessions/ticket-keys.js';
import { PortableAuthorizedKeys } from '../trust/authorized-keys.js';
import type { AuthorizedKeysSource } from '../trust/authorized-keys.node.js';
import { classicWarning } from './classic-warning.js';
import { kemFor, keylogOf, suitesOf } from './script-options.js';
import type { ServerSettings } from './server-settings.js';
import { ephemeralIdentity, javascriptServer, warnOnce } from './warnings.js';

/** A server's key and what makes the script of each connection. */
export interface ServerPlan {
  readonly fingerprint: string;
  readonly script: () => Script;
  /** Wipes what only running servers need. */
  readonly close?: () => void;
  /** Who is let in, if a list says it. */
  readonly authorizedKeys?: PortableAuthorizedKeys | undefined;
}

/** What a server's scripts take of the platform; the rest of them is the same everywhere. */
export interface ServerScriptPlatform {
  readonly generateIdentity: (options: GenerateOptions) => Promise<PortableIdentity>;
  readonly openAuthorizedKeys: (source: AuthorizedKeysSource) => PortableAuthorizedKeys;
  readonly protectMemory: ProtectMemory | undefined;
}

/**
 * Makes or takes the server's key and everything that its connections share.
 *
 * Whatever can be wrong is to be found here, before the server listens: a list that cannot be read, a key that does
 * not decrypt, a backend that does not answer. What is only noticed with the first client is noticed by the wrong
 * person. Each step that waits for code of the application has a limit, or `listen()` might never settle.
 */
export async function planServer(
  platform: ServerScriptPlatform,
  settings: ServerSettings,
  queue: PrivateKeyQueue,
): Promise<ServerPlan> {
  const { backend } = settings;
  warnOnce(backend.native ? undefined : javascriptServer(backend));
  const isClassic = settings.protocol === 'classic';
  const identity = await serverIdentity(platform, settings, isClassic ? 'classic-server' : 'server');
  const authorizedKeys = await openKeys(platform, settings);
  const { fingerprint } = identity;
  if (isClassic)
    return { fingerprint, script: await classicScripts(platform, settings, identity), authorizedKeys };
  const tickets = ticketKeysOf(settings, identity);
  const authorize = authorizer(settings, authorizedKeys);
  const script = await makeSealedScripts(platform, settings, identity, { authorize, tickets, queue });
  return { fingerprint, script, authorizedKeys, close: () => tickets?.close() };
}

async function classicScripts(
  { protectMemory }: ServerScriptPlatform,
  settings: ServerSettings,
  identity: PortableIdentity,
): Promise<() => Script> {
  const { classicServer, privateExponentHash } = await fetched(import('../core/classic/scripts.js'));
  const { backend, keyLength, maxMessage } = settings;
  warnOnce(classicWarning);
  const privateKey = privateKeyOf(identity, backend);
  const { n, e, d } = privateNumbersOf(identity);
  const rejectionSecret = privateExponentHash(backend, d, n.length);
  const options = {
    keylog: keylogOf(settings),
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

async function makeSealedScripts(
  { protectMemory }: ServerScriptPlatform,
  settings: ServerSettings,
  identity: PortableIdentity,
  { authorize, tickets, queue }: SharedByConnections,
): Promise<() => Script> {
  const { backend, clientAuth, maxMessage, maxRecord, handshakeTimeout } = settings;
  const suites = suitesOf(settings);
  const mlKem768 = await inTime(
    kemFor(backend, suites),
    handshakeTimeout,
    late('BAD_OPTION', `mlKem768() of the backend ${backend.name}`, handshakeTimeout),
  );
  const { spki } = identity;
  const key = await loadKey(identity, settings);
  const busy = (): boolean => queue.isFull;
  const options = {
    isPatient: true,
    keylog: keylogOf(settings),
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

/** The private key. One that is kept elsewhere has to decrypt something first. */
async function loadKey(
  identity: PortableIdentity,
  { backend, handshakeTimeout }: ServerSettings,
): Promise<RsaPrivateKey> {
  const key = privateKeyOf(identity, backend);
  if (!identity.extractable)
    await inTime(
      tryDecrypting(key, backend, identity.spki),
      handshakeTimeout,
      late('BAD_IDENTITY', "decrypt() of the server's key", handshakeTimeout),
    );
  return key;
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

async function serverIdentity(
  platform: ServerScriptPlatform,
  settings: ServerSettings,
  role: IdentityRole,
): Promise<PortableIdentity> {
  const { identity, modulusLength, backend } = settings;
  if (identity) return identity;
  if (role === 'server') warnOnce(ephemeralIdentity);
  const timeout = backend.native ? MAX_GENERATION : 10 * MAX_GENERATION;
  return inTime(
    platform.generateIdentity({ role, modulusLength, backend }),
    timeout,
    late('BAD_OPTION', `generateRsaKey() of the backend ${backend.name}`, timeout),
  );
}

/** Making a key takes as long as chance wants; on a native backend seconds, in JavaScript a minute. Milliseconds. */
const MAX_GENERATION = 60_000;

function late(code: 'BAD_IDENTITY' | 'BAD_OPTION', what: string, milliseconds: number): () => Error {
  return () => new SecureSocketError(code, `${what} gave no answer within ${milliseconds} ms`);
}

/** The list of clients, which must be good to begin with. */
async function openKeys(
  { openAuthorizedKeys }: ServerScriptPlatform,
  { authorizedKeys, handshakeTimeout }: ServerSettings,
): Promise<PortableAuthorizedKeys | undefined> {
  if (authorizedKeys === undefined) return undefined;
  const keys =
    authorizedKeys instanceof PortableAuthorizedKeys ? authorizedKeys : openAuthorizedKeys(authorizedKeys);
  await inTime(keys.list(), handshakeTimeout, late('BAD_OPTION', 'authorizedKeys', handshakeTimeout));
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

/** A key that is held elsewhere may be unusable; this is detected before the first client connects. */
async function tryDecrypting(key: RsaPrivateKey, backend: Backend, spki: Uint8Array): Promise<void> {
  const [message, label] = [backend.randomBytes(32), backend.randomBytes(8)];
  const publicKey = backend.rsaPublicKey(decodeSpki(spki));
  const ciphertext = await (publicKey.later ?? publicKey).encryptOaep(message, label);
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

/** How many RSA private operations run at once: one where they may be done on the thread of everything else. */
export function privateKeyConcurrency({ backend, protocol }: ServerSettings): number {
  return backend.native && protocol === 'sealed' ? 2 : 1;
}
