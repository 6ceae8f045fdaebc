import { type BigIntStats, statSync } from 'node:fs';
import { usageError } from './failure.js';

/** Flags that name a file to read. */
const inputFlags = ['identity', 'passphrase-file', 'authorized-keys', 'known-hosts', 'config'] as const;

/** Flags as they were given, by their names. */
export type FileValues = Readonly<Record<string, unknown>>;

/**
 * Refuses an empty name, as an unset variable of a shell gives it, and a pipe that two would read. `others` has further
 * inputs by how a text calls them.
 */
export function checkFiles(values: FileValues, others: Readonly<Record<string, string>> = {}): void {
  for (const flag of [...inputFlags, 'output'])
    if (values[flag] === '') throw usageError(`--${flag} takes the name of a file, and this one is empty`);
  const inputs = new Inputs();
  for (const [name, path] of Object.entries(others)) inputs.add(name, path);
  inputs.addFlags(values, (flag) => `--${flag}`);
}

/** The inputs of a command, of which each pipe may be one only once. */
export class Inputs {
  readonly #readers = new Map<string, string>();

  /** Refuses what gives its content to one reader only, and has one: a pipe or a socket, by whatever name. */
  add(reader: string, path: string): void {
    const stats = statsOf(path);
    if (stats === undefined || !(stats.isFIFO() || stats.isSocket())) return;
    const key = `${stats.dev}:${stats.ino}`;
    const first = this.#readers.get(key);
    if (first !== undefined)
      throw usageError(`${reader} names ${path}, as ${first} does, and it can be read only once`);
    this.#readers.set(key, reader);
  }

  /** The same for all flags that name a file to read. */
  addFlags(values: FileValues, nameOf: (flag: string) => string): void {
    for (const flag of inputFlags) {
      const path = values[flag];
      if (typeof path === 'string') this.add(nameOf(flag), path);
    }
  }
}

function statsOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true });
  } catch {
    // what is wrong with a path, opening it says
    return undefined;
  }
}
