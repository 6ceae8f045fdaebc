import { linesOf } from '../../core/encodings/text.js';
import { readTextFile } from '../../files.node.js';
import { Identity, type IdentityRole } from '../../index.js';
import { CommandError, exitCodes, usageError } from './failure.js';
import { openTerminal } from './terminal.js';

/** Where the passphrase of a key comes from: a file, or else the terminal. */
export interface PassphraseSource {
  readonly 'passphrase-file'?: string | undefined;
}

/** The identity in a key file, which is read once. */
export async function loadIdentity(
  path: string,
  role: IdentityRole,
  source: PassphraseSource,
): Promise<Identity> {
  return Identity.load(path, { role, passphrase: await oldPassphrase(path, source) });
}

/** The passphrase that a key was encrypted with: the one of the file, or a question that is asked if there is one. */
export async function oldPassphrase(
  path: string,
  source: PassphraseSource,
): Promise<string | (() => Promise<string>)> {
  return (await passphraseInFile(source)) ?? (() => askPassphrase(`Passphrase of ${path}: `));
}

/** A passphrase to encrypt a key with; at the terminal it has to be typed twice. */
export async function newPassphrase(path: string, source: PassphraseSource): Promise<string> {
  const given = await passphraseInFile(source);
  if (given !== undefined) return given;
  const passphrase = await askPassphrase(`New passphrase for ${path}: `);
  const again = await askPassphrase('The same again: ');
  if (passphrase === again) return passphrase;
  throw usageError('the two passphrases differ, no key was made');
}

async function passphraseInFile(source: PassphraseSource): Promise<string | undefined> {
  const path = source['passphrase-file'];
  if (path === undefined) return undefined;
  const [line = ''] = linesOf((await readTextFile(path)).text);
  if (line !== '') return line;
  throw usageError(`${path} has no passphrase in its first line`);
}

async function askPassphrase(prompt: string): Promise<string> {
  const terminal = openTerminal();
  if (terminal === undefined)
    throw usageError(
      'a passphrase is needed, and there is no terminal to ask for it',
      'put it into a file that only you can read, and give --passphrase-file FILE',
    );
  try {
    const passphrase = await terminal.ask(prompt, true);
    if (passphrase !== null && passphrase !== '') return passphrase;
  } finally {
    terminal.close();
  }
  throw new CommandError(exitCodes.usage, 'no passphrase was typed');
}
