import { stat } from 'node:fs/promises';
import { linesOf } from '../../core/encodings/text.js';
import { printable } from '../../errors.js';
import { explainFile, readTextFile } from '../../files.node.js';
import { Identity, type IdentityRole } from '../../index.js';
import { CommandError, exitCodes, hintIfMissing, usageError } from './failure.js';
import { openTerminal } from './terminal.js';

/** Where the passphrase of a key comes from: a file, otherwise the terminal. */
export interface PassphraseSource {
  readonly 'passphrase-file'?: string | undefined;
}

/**
 * A key file, read once at the start, and again at a reload. What can be read only once, from a FIFO or from the
 * terminal, is kept in memory.
 */
export class KeyFile {
  readonly #path: string;
  readonly #role: IdentityRole;
  readonly #source: PassphraseSource;
  #inFile: string | undefined;
  #typed: string | undefined;

  constructor(path: string, role: IdentityRole, source: PassphraseSource) {
    this.#path = path;
    this.#role = role;
    this.#source = source;
  }

  /** The identity in it. */
  async read(): Promise<Identity> {
    const role = this.#role;
    const passphrase = await this.#passphrase();
    return hintIfMissing(Identity.load(this.#path, { role, passphrase }), `make a key: ${commandFor(role)}`);
  }

  /** The identity in it, if its fingerprint is no longer this one. */
  async readChanged(fingerprint: string | undefined): Promise<Identity | undefined> {
    if (!(await isRegular(this.#path))) return undefined;
    const identity = await this.read();
    return identity.fingerprint === fingerprint ? undefined : identity;
  }

  async #passphrase(): Promise<string | (() => Promise<string>)> {
    const path = this.#source['passphrase-file'];
    const canBeRead = path !== undefined && (this.#inFile === undefined || (await isRegular(path)));
    if (canBeRead) this.#inFile = await passphraseInFile(this.#source);
    return this.#inFile ?? (() => this.#ask());
  }

  async #ask(): Promise<string> {
    this.#typed ??= await askPassphrase(`Passphrase of ${this.#path}: `);
    return this.#typed;
  }
}

function commandFor(role: IdentityRole): string {
  return `secure-sockets keygen ${role === 'server' ? '' : `--role ${role} `}-o FILE`;
}

/**
 * Whether a file can be read again, which a FIFO or a device cannot. A folder or what is not there cannot be read at all,
 * which reading it says.
 */
export async function isRegular(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  return stats === undefined || stats.isFile() || stats.isDirectory();
}

/** The passphrase of an encrypted key: that of the file, or a function that asks at the terminal. */
export async function oldPassphrase(
  path: string,
  source: PassphraseSource,
): Promise<string | (() => Promise<string>)> {
  return (await passphraseInFile(source)) ?? (() => askPassphrase(`Passphrase of ${printable(path)}: `));
}

/** A passphrase for encrypting a key; at the terminal it has to be typed twice. */
export async function newPassphrase(path: string, source: PassphraseSource): Promise<string> {
  const given = await passphraseInFile(source);
  if (given !== undefined) return checkEnds(given, source);
  const passphrase = await askPassphrase(`New passphrase for ${printable(path)}: `);
  const again = await askPassphrase('The same again: ');
  if (passphrase === again) return passphrase;
  throw usageError('the two passphrases differ, no key was made');
}

async function passphraseInFile(source: PassphraseSource): Promise<string | undefined> {
  const path = source['passphrase-file'];
  if (path === undefined) return undefined;
  const problem = 'the file of the passphrase cannot be read';
  const [line = ''] = linesOf((await explainFile(readTextFile(path), 'BAD_OPTION', problem)).text);
  if (line.trim() !== '') return line;
  throw usageError(`${path} has no passphrase in its first line`);
}

/** Blanks that no one sees at the ends of a line would be missing wherever the passphrase is typed. */
function checkEnds(passphrase: string, source: PassphraseSource): string {
  if (passphrase === passphrase.trim()) return passphrase;
  throw usageError(
    `the passphrase in ${source['passphrase-file']} begins or ends with a blank, no key was made`,
    'remove the blanks at the ends of its first line',
  );
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
