import { parseFingerprint } from '../../core/encodings/fingerprint.js';
import { printable } from '../../errors.js';
import { type ClientOptions, type KnownHosts, SecureClient, SecureSocketError } from '../../index.js';
import { formatAddress, nameOf, type PeerAddress } from './address.js';
import { type ClientValues, clientKey, clientOptions } from './endpoint.js';
import { CommandError, exitCodes, usageError } from './failure.js';
import { fileFlag, openKnownHosts, withStore } from './known-servers.js';
import { openTerminal } from './terminal.js';
import { dialWebSocket } from './web-sockets.js';

/** Opens connections to one server, which is trusted as the flags say. */
export type Dialler = (signal: AbortSignal) => Promise<SecureClient>;

/** A dialler, and a function that reads its key again. */
export interface ReloadableDialler {
  readonly dial: Dialler;
  /** Reads the key file again. Resolves to whether it has another key, which is used from the next connection on. */
  reload(): Promise<boolean>;
}

/** The current options for opening connections. */
type Current = {
  options: ClientOptions & { readonly identity?: { readonly fingerprint: string } | undefined };
};

/**
 * Determines how a server is trusted: by `--server-key`, or by the known-hosts file. For an unknown server the user
 * at the terminal decides, and it is added to the file once it has proven its key. `more` has options that are not
 * flags.
 */
export async function diallerFor(
  address: PeerAddress,
  values: ClientValues,
  signal: AbortSignal,
  more: ClientOptions = {},
): Promise<ReloadableDialler> {
  const key = clientKey(values);
  const current: Current = { options: { ...(await clientOptions(values, key)), ...more } };
  const dial = await makeTrustingDialler(address, values, current, signal);
  const reload = async (): Promise<boolean> => {
    const identity = await key?.readChanged(current.options.identity?.fingerprint);
    if (identity) current.options = { ...current.options, identity } as Current['options'];
    return identity !== undefined;
  };
  return { dial, reload };
}

async function makeTrustingDialler(
  address: PeerAddress,
  values: ClientValues,
  current: Current,
  signal: AbortSignal,
): Promise<Dialler> {
  const pins = values['server-key']?.map((pin) => parseFingerprint(pin, '--server-key is '));
  const path = values['known-hosts'];
  if (pins && path !== undefined)
    throw usageError('--server-key and --known-hosts exclude each other: give one way to trust the server');
  if (pins) return (signal) => open({ ...current.options, serverKey: pins }, address, signal);
  if (current.options.protocol === 'classic') return makeClassicDialler(current.options, path, address);
  return makeKnownDialler(current, openKnownHosts(path), address, signal);
}

/** The fingerprint of a server's key, which the server may not have proven. */
export function fingerprintShown(
  address: PeerAddress,
  options: ClientOptions,
  signal: AbortSignal,
): Promise<string> {
  return options.protocol === 'classic'
    ? showClassicKey(address, options, signal)
    : showSealedKey(address, options, signal);
}

async function showClassicKey(
  address: PeerAddress,
  options: ClientOptions,
  signal: AbortSignal,
): Promise<string> {
  const client = await open(options, address, signal);
  client.destroy();
  if (client.peer === null) throw new Error('a classic server without a key');
  return client.peer.fingerprint;
}

/** Ends the handshake as soon as the key is known. */
async function showSealedKey(
  address: PeerAddress,
  options: ClientOptions,
  signal: AbortSignal,
): Promise<string> {
  let shown: string | undefined;
  const verifyServer = (_: Uint8Array, fingerprint: string): boolean => {
    shown = fingerprint;
    return false;
  };
  try {
    const client = await open(
      { ...options, protocol: 'sealed', verifyServer } as ClientOptions,
      address,
      signal,
    );
    client.destroy();
  } catch (error) {
    if (shown !== undefined) return shown;
    throw error;
  }
  throw new Error('a server was accepted that was refused');
}

function makeClassicDialler(
  options: ClientOptions,
  knownHosts: string | undefined,
  address: PeerAddress,
): Dialler {
  if (knownHosts !== undefined)
    throw usageError('classic proves no key, so there are no hosts to know: leave out --known-hosts');
  return (signal) => open(options, address, signal);
}

async function makeKnownDialler(
  current: Current,
  store: KnownHosts,
  address: PeerAddress,
  signal: AbortSignal,
): Promise<Dialler> {
  const { host, port } = nameOf(address);
  const isKnown = (await withStore(store, () => store.find(host, port))).length > 0;
  if (isKnown) return (signal) => openKnown({ ...current.options, knownHosts: store }, address, signal);
  const fingerprint = await fingerprintShown(address, current.options, signal);
  await confirm(address, fingerprint);
  return async (signal) => {
    const client = await open({ ...current.options, serverKey: fingerprint }, address, signal);
    try {
      await withStore(store, () => store.add(host, port, fingerprint));
    } catch (error) {
      client.destroy();
      throw error;
    }
    return client;
  };
}

async function openKnown(
  options: ClientOptions & { readonly knownHosts: KnownHosts },
  address: PeerAddress,
  signal: AbortSignal,
): Promise<SecureClient> {
  try {
    return await open(options, address, signal);
  } catch (error) {
    if (!(error instanceof SecureSocketError) || error.code !== 'UNTRUSTED_SERVER') throw error;
    const hint = `secure-sockets known-hosts ${fileFlag(options.knownHosts)}remove ${formatAddress(address)}`;
    throw new CommandError(exitCodes.trust, error.message, [hint], error);
  }
}

async function open(
  options: ClientOptions,
  address: PeerAddress,
  signal: AbortSignal,
): Promise<SecureClient> {
  const client = new SecureClient(options);
  if ('url' in address)
    await client.connect(await dialWebSocket(address.url), { ...nameOf(address), signal });
  else await client.connect(address, { signal });
  return client;
}

async function confirm(address: PeerAddress, fingerprint: string): Promise<void> {
  const name = printable(formatAddress(address));
  const terminal = openTerminal();
  if (terminal === undefined) {
    throw new CommandError(exitCodes.trust, `the server ${name} is not known; its key is ${fingerprint}`, [
      `compare that with what the server printed, then give --server-key ${fingerprint}`,
      'or run the command on a terminal once and answer its question',
    ]);
  }
  try {
    const question = `secure-sockets: the server ${name} is not known yet. Its key has the fingerprint\n  ${fingerprint}\nCompare it with what the server printed. Trust this key from now on? (yes/no) `;
    let answer = await terminal.ask(question);
    while (answer !== null && answer !== 'yes' && answer !== 'no') {
      answer = await terminal.ask('Please type yes or no: ');
    }
    if (answer === 'yes') return;
  } finally {
    terminal.close();
  }
  throw new CommandError(exitCodes.trust, `the server ${name} is not trusted`);
}
