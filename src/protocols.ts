import type { Backend, RsaPrivateKey } from './backend.js';
import { classicClient, classicServer } from './core/classic.js';
import { parseFingerprint } from './core/fingerprint.js';
import { privateExponentHash } from './core/pkcs1.js';
import type { PeerKey, Script } from './core/script.js';
import { SecureSocketError } from './errors.js';
import { Identity, privateNumbersOf } from './identity.js';
import type { ClientSettings, ServerSettings } from './options.js';
import type { PrivateKeyQueue } from './private-key-queue.js';

/** Whom a client dials, as a known-hosts file names it. */
export interface Target {
  readonly host: string;
  readonly port: number;
}

/** What a server has made ready before its first client. */
export interface ServerKey {
  readonly identity: Identity;
  readonly key: RsaPrivateKey;
}

/** Makes or takes a server's key. */
export async function prepareServerKey(settings: ServerSettings): Promise<ServerKey> {
  const { backend, protocol, modulusLength } = settings;
  const role = protocol === 'classic' ? 'classic-server' : 'server';
  const identity = settings.identity ?? (await Identity.generate({ role, modulusLength, backend }));
  return { identity, key: backend.rsaPrivateKey(privateNumbersOf(identity)) };
}

/** A maker of scripts, one for each connection. */
export function serverScripts(
  settings: ServerSettings,
  { identity, key }: ServerKey,
  _queue: PrivateKeyQueue,
): () => Script {
  const { backend, keyLength, maxMessage } = settings;
  warnOfClassic();
  const numbers = privateNumbersOf(identity);
  const rejectionSecret = privateExponentHash(backend, numbers.d, numbers.n.length);
  const publicKey = { n: numbers.n, e: numbers.e };
  return () => classicServer({ backend, keyLength, maxMessage, publicKey, privateKey: key, rejectionSecret });
}

/** The script of one connection to a server. */
export async function clientScript(settings: ClientSettings, _target: Target | undefined): Promise<Script> {
  const { backend, keyLength, maxMessage, minModulusBits, settleMs } = settings;
  warnOfClassic();
  const pins = pinsOf(settings);
  const decide = pins.length === 0 ? undefined : (server: PeerKey): void => checkPin(pins, server);
  return classicClient({ backend, keyLength, maxMessage, minModulusBits, settleMs, decide });
}

function pinsOf({ serverKey }: ClientSettings): string[] {
  if (serverKey === undefined) return [];
  return (typeof serverKey === 'string' ? [serverKey] : serverKey).map(parseFingerprint);
}

function checkPin(pins: readonly string[], { fingerprint }: PeerKey): void {
  if (pins.includes(fingerprint)) return;
  const text = `the server's key is ${fingerprint}, but serverKey allows only ${pins.join(', ')}: if the key was changed on purpose, pin the new one`;
  throw new SecureSocketError('UNTRUSTED_SERVER', text, { fingerprint });
}

let hasWarned = false;

function warnOfClassic(): void {
  if (hasWarned) return;
  hasWarned = true;
  process.emitWarning(
    'the classic protocol has no authentication, no integrity and no forward secrecy; it is for peers of the old Python library only',
    { type: 'SecurityWarning', code: 'SECURE_SOCKETS_CLASSIC' },
  );
}

/** How many RSA private operations run at once: a JavaScript backend would only block its own thread. */
export function privateKeyConcurrency(backend: Backend): number {
  return backend.native ? 2 : 1;
}
