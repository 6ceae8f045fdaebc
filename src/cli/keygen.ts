import { existsSync } from 'node:fs';
import { parse as parsePath } from 'node:path';
import { Identity } from '../index.js';
import { type Command, commonFlags, oneOf, parse, refuseMore, wholeNumber } from './shared/arguments.js';
import { loadBackend } from './shared/backends.js';
import { usageError } from './shared/failure.js';
import { newPassphrase } from './shared/keys.js';
import { print, reportAs } from './shared/output.js';

/** `secure-sockets keygen`. */
export const keygen: Command = {
  name: 'keygen',
  summary: 'make a key',
  help: `Usage: secure-sockets keygen [OPTION]... -o FILE

Makes an RSA key and writes it to FILE, which only its owner may read. An
existing file is never overwritten. Prints the key's fingerprint, for
--server-key, and its public key line, for a file of --authorized-keys.
Without -o, the key goes to standard output and the rest to standard error.

Options:
  -o, --output FILE       the file for the key
  --role ROLE             server (default), client or classic-server. The role
                          of a key cannot be changed
  --bits N                size: 2048 to 4096, default 3072; classic-server from
                          512 on, default 2048
  --name NAME             the name in the public key line, default that of FILE
  --passphrase            encrypt the key; the passphrase is asked for
  --passphrase-file FILE  encrypt the key with the first line of FILE
  --backend NAME          the cryptographic library: node (default), sodium,
                          web, forge or noble
  --json                  print one JSON object
  -h, --help              this text

Examples:
  secure-sockets keygen --bits 2048 -o key.pem
  secure-sockets keygen --role client --name "Ann's laptop" -o ann.pem
`,
  flags: () => ({ keygen: flags }),
  run,
};

const flags = {
  ...commonFlags,
  output: { type: 'string', short: 'o' },
  role: { type: 'string' },
  bits: { type: 'string' },
  name: { type: 'string' },
  passphrase: { type: 'boolean' },
  'passphrase-file': { type: 'string' },
  backend: { type: 'string' },
} as const;

async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse('keygen', args, flags);
  refuseMore('keygen takes no arguments, and its file as -o FILE', positionals);
  const path = values.output;
  if (path !== undefined && existsSync(path))
    throw usageError(`${path} exists and is not overwritten: choose another name`);
  const role = oneOf('role', values.role, ['server', 'client', 'classic-server']) ?? 'server';
  const modulusLength = wholeNumber('bits', values.bits, role === 'classic-server' ? 512 : 2048, 4096);
  const backend = await loadBackend(values.backend);
  const isEncrypted = values.passphrase || values['passphrase-file'] !== undefined;
  const passphrase = isEncrypted ? await newPassphrase(path ?? 'the new key', values) : undefined;
  const identity = await Identity.generate({ role, modulusLength, backend });
  const report = reportAs(values);
  const { text, details } = describe(identity, values.name ?? nameFrom(path));
  if (path === undefined) {
    print(identity.toPem(passphrase === undefined ? {} : { passphrase }));
    report.event('key', text, details);
  } else {
    await identity.save(path, { passphrase });
    report.result(text, { path, ...details });
  }
  return 0;
}

function describe(
  identity: Identity,
  name: string,
): { text: string; details: Readonly<Record<string, unknown>> } {
  const { role, fingerprint } = identity;
  const publicKey = `${Buffer.from(identity.spki).toString('base64')} ${name}`.trim();
  const text = `fingerprint: ${fingerprint}\npublic key: ${publicKey}`;
  return { text, details: { role, fingerprint, publicKey } };
}

function nameFrom(path: string | undefined): string {
  return path === undefined ? '' : parsePath(path).name;
}
