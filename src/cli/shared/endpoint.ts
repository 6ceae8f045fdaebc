import { stat } from 'node:fs/promises';
import { codeOf } from '../../errors.js';
import { explainFile } from '../../files.node.js';
import type { ClientOptions, CommonOptions, Identity, ProtocolName, ServerOptions } from '../../index.js';
import { formatPeer } from './address.js';
import { oneOf, wholeNumber } from './arguments.js';
import { loadBackend } from './backends.js';
import { hintIfMissing, usageError } from './failure.js';
import { KeyFile } from './keys.js';
import type { Report, ReportFlags } from './output.js';

/** Flags of every command that speaks to a peer. */
export const endpointFlags = {
  help: { type: 'boolean', short: 'h' },
  json: { type: 'boolean' },
  verbose: { type: 'boolean', short: 'v' },
  'log-level': { type: 'string' },
  'log-format': { type: 'string' },
  protocol: { type: 'string' },
  backend: { type: 'string' },
  identity: { type: 'string' },
  'passphrase-file': { type: 'string' },
  timeout: { type: 'string' },
  'key-length': { type: 'string' },
} as const;

/** Flags of a command that connects. */
export const clientFlags = {
  'server-key': { type: 'string', multiple: true },
  'known-hosts': { type: 'string' },
  'min-modulus-bits': { type: 'string' },
} as const;

/** Flags of a command that listens. */
export const serverFlags = {
  'authorized-keys': { type: 'string' },
  websocket: { type: 'boolean' },
} as const;

/** The values of the flags of an endpoint. */
export interface EndpointValues extends ReportFlags {
  readonly protocol?: string | undefined;
  readonly backend?: string | undefined;
  readonly identity?: string | undefined;
  readonly 'passphrase-file'?: string | undefined;
  readonly timeout?: string | undefined;
  readonly 'key-length'?: string | undefined;
}

/** The values of the flags of a client. */
export interface ClientValues extends EndpointValues {
  readonly 'server-key'?: string[] | undefined;
  readonly 'known-hosts'?: string | undefined;
  readonly 'min-modulus-bits'?: string | undefined;
}

/** The values of the flags of a server. */
export interface ServerValues extends EndpointValues {
  readonly 'authorized-keys'?: string | undefined;
}

/** The key file of a client, if it has one. */
export function clientKey(values: ClientValues): KeyFile | undefined {
  if (values.identity === undefined) return withoutKey(values);
  if (protocolOf(values) === 'classic')
    throw usageError('a classic client has no identity: --identity goes with --protocol sealed');
  return new KeyFile(values.identity, 'client', values);
}

/** The key file of a server, if it has one. */
export function serverKey(values: ServerValues): KeyFile | undefined {
  const role = protocolOf(values) === 'classic' ? 'classic-server' : 'server';
  return values.identity === undefined ? withoutKey(values) : new KeyFile(values.identity, role, values);
}

function withoutKey(values: EndpointValues): undefined {
  if (values['passphrase-file'] !== undefined)
    throw usageError('--passphrase-file is for the key of --identity, which is missing');
}

/** The options of a client, except those that say which servers it trusts. */
export async function clientOptions(
  values: ClientValues,
  key: KeyFile | undefined = clientKey(values),
): Promise<ClientOptions> {
  const minModulusBits = wholeNumber('min-modulus-bits', values['min-modulus-bits'], 512, 4096);
  return {
    ...(await commonOptions(values, key)),
    ...(minModulusBits === undefined ? {} : { minModulusBits }),
  };
}

/** The options of a server. */
export async function serverOptions(
  values: ServerValues,
  key: KeyFile | undefined,
  report: Report,
): Promise<ServerOptions> {
  const authorizedKeys = values['authorized-keys'];
  if (authorizedKeys !== undefined) await requireList(authorizedKeys);
  return {
    ...(await commonOptions(values, key)),
    ...(authorizedKeys === undefined ? {} : { authorizedKeys: { path: authorizedKeys } }),
    onHandshakeError: (error, from) =>
      report.event('refused', `refused ${formatPeer(from)}: ${error.message}`, {
        peer: formatPeer(from),
        code: codeOf(error),
        message: error.message,
      }),
  };
}

/** Looked at before a key is made; reading it is left to the server, since a FIFO gives its content once. */
function requireList(path: string): Promise<unknown> {
  const problem = 'the authorised keys cannot be read';
  return hintIfMissing(explainFile(stat(path), 'BAD_OPTION', problem), listHint);
}

const listHint = 'make the file: with the public key lines that keygen prints, or empty to let in no one yet';

/** The protocol that the flags name. */
function protocolOf(values: EndpointValues): ProtocolName {
  return oneOf('protocol', values.protocol, ['sealed', 'classic']) ?? 'sealed';
}

type Endpoint = CommonOptions & { identity?: Identity };

/** Our half ends when our input does, whatever the peer does with its own. */
async function commonOptions(values: EndpointValues, key: KeyFile | undefined): Promise<Endpoint> {
  const protocol = protocolOf(values);
  const backend = await loadBackend(values.backend);
  const seconds = wholeNumber('timeout', values.timeout, 1, 86_400);
  const keyLength = keyLengthOf(values);
  return {
    protocol,
    allowHalfOpen: true,
    ...(backend && { backend }),
    ...(seconds === undefined ? {} : { handshakeTimeout: 1000 * seconds }),
    ...(keyLength === undefined ? {} : { keyLength }),
    ...(key && { identity: await key.read() }),
  };
}

function keyLengthOf(values: EndpointValues): 16 | 24 | 32 | undefined {
  const text = oneOf('key-length', values['key-length'], ['16', '24', '32']);
  return text === undefined ? undefined : (Number(text) as 16 | 24 | 32);
}
