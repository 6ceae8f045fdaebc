import { existsSync, statSync } from 'node:fs';
import { fingerprintOfFile } from '../identity/key-file.node.js';
import { formatAddress, isAddress, parsePeerAddress } from './shared/address.js';
import { type Command, onePositional, parse } from './shared/arguments.js';
import { type ClientValues, clientFlags, clientOptions, endpointFlags } from './shared/endpoint.js';
import { usageError } from './shared/failure.js';
import { checkFiles } from './shared/file-flags.js';
import { oldPassphrase } from './shared/keys.js';
import { reportAs } from './shared/output.js';
import { stopSignal } from './shared/signals.js';
import { fingerprintShown } from './shared/trust.js';

/** `secure-sockets fingerprint`. */
export const fingerprint: Command = {
  name: 'fingerprint',
  summary: 'show the fingerprint of a key file or of a server',
  help: `Usage: secure-sockets fingerprint [OPTION]... FILE|ADDRESS

Prints the fingerprint of the key in FILE, private or public, in PEM; or of the
key of the server at ADDRESS. A server's answer does not prove that it is the
server you mean: compare the fingerprint with what the server printed.

Options:
  --passphrase-file FILE  the first line of FILE is the passphrase of the key,
                          instead of being asked for at the terminal
  --protocol NAME         of the server: sealed (default) or classic
  --min-modulus-bits N    classic: accept servers with keys from N bits on
  --backend NAME          the cryptographic library: node (default), sodium,
                          web, forge or noble
  --timeout SECONDS       for connecting, default 10
  --json                  print one JSON object
  -h, --help              this text

Examples:
  secure-sockets fingerprint key.pem
  secure-sockets fingerprint server.example:9000
`,
  flags: () => ({ fingerprint: flags }),
  run,
};

const flags = {
  help: endpointFlags.help,
  json: endpointFlags.json,
  'passphrase-file': endpointFlags['passphrase-file'],
  protocol: endpointFlags.protocol,
  backend: endpointFlags.backend,
  timeout: endpointFlags.timeout,
  'min-modulus-bits': clientFlags['min-modulus-bits'],
} as const;

async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse('fingerprint', args, flags);
  const subject = onePositional('fingerprint', 'FILE or ADDRESS', positionals);
  checkFiles(values, { FILE: subject });
  const report = reportAs(values);
  const found = isFile(subject) ? await ofFile(subject, values) : await ofServer(subject, values);
  report.result(found.fingerprint, found);
  return 0;
}

function isFile(subject: string): boolean {
  // standard input may be a socket, but not one to connect to
  if (/^\/dev\/(stdin|fd\/\d+)$/.test(subject)) return true;
  if (existsSync(subject)) return !statSync(subject).isSocket();
  if (isAddress(subject)) return false;
  throw usageError(`${subject} is neither a file that is there nor an address such as HOST:PORT`);
}

async function ofServer(
  text: string,
  values: ClientValues,
): Promise<{ server: string; fingerprint: string }> {
  if (values['passphrase-file'] !== undefined)
    throw usageError(`--passphrase-file is for the key in a FILE, and ${text} is a server`);
  const address = parsePeerAddress(text);
  const fingerprint = await fingerprintShown(address, await clientOptions(values), stopSignal());
  return { server: formatAddress(address), fingerprint };
}

/** Reads the file once. The fingerprint is the same in every role, and with any passphrase. */
async function ofFile(path: string, values: ClientValues): Promise<{ file: string; fingerprint: string }> {
  return { file: path, fingerprint: await fingerprintOfFile(path, await oldPassphrase(path, values)) };
}
