import { existsSync, readFileSync } from 'node:fs';
import { it } from 'vitest';
import { forge } from '../../backends/forge.js';
import { noble } from '../../backends/noble.js';
import { node } from '../../backends/node.js';
import { sodium } from '../../backends/sodium.js';
import { web } from '../../backends/web.js';
import type { Backend, RsaPrivateNumbers } from '../../src/backend.js';
import rsaKeys from '../vectors/rsa-keys.json' with { type: 'json' };

/** All of them, for `describe.each`: `$name` in a title is the backend's. */
export const backends: readonly Backend[] = [node, sodium, web, forge, noble];

/** Every ordered pair, a backend with itself included. */
export const pairs: readonly { readonly one: Backend; readonly other: Backend; readonly name: string }[] =
  backends.flatMap((one) => backends.map((other) => ({ one, other, name: `${one.name} to ${other.name}` })));

/** A name in `test/vectors/rsa-keys.json`. */
export type KeyName = keyof typeof rsaKeys.keys;

/** Every RSA test key by name. */
export const keyNames: readonly KeyName[] = Object.keys(rsaKeys.keys) as KeyName[];

/** The numbers of a test key. */
export function testKey(name: KeyName): RsaPrivateNumbers {
  return privateNumbers(rsaKeys.keys[name]);
}

/** A private key from hexadecimal members. */
export function privateNumbers(hex: Readonly<Record<keyof RsaPrivateNumbers, string>>): RsaPrivateNumbers {
  const members = Object.entries(hex).map(([name, digits]) => [name, bytes(digits)]);
  return Object.fromEntries(members) as RsaPrivateNumbers;
}

/** Bytes from hexadecimal. */
export function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}

/** Hexadecimal from bytes. `missing` for `null`, which is a result in some places. */
export function hex(data: Uint8Array | null | undefined): string {
  return data ? Buffer.from(data).toString('hex') : 'missing';
}

/** Bytes that look random and are the same every time. */
export function pattern(length: number, seed = 1): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

/** Pieces in one. */
export function join(pieces: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(pieces));
}

/** A file of Project Wycheproof, which is not part of this project but may lie beside it. */
export interface Wycheproof<Group, Case> {
  readonly testGroups: readonly (Group & { readonly tests: readonly (Case & WycheproofCase)[] })[];
}

/** What every case of Wycheproof has. */
export interface WycheproofCase {
  readonly tcId: number;
  readonly comment?: string;
  readonly flags: readonly string[];
  readonly result: 'valid' | 'invalid' | 'acceptable';
}

/** A test that runs over a file of Wycheproof, or is skipped with the reason in its title. */
export function itWithWycheproof<Group, Case>(
  file: string,
  title: string,
  run: (vectors: Wycheproof<Group, Case>) => void | Promise<void>,
  timeout?: number,
): void {
  const url = ['../vectors/wycheproof', '../../../shared/wycheproof']
    .map((folder) => new URL(`${folder}/${file}.json`, import.meta.url))
    .find((one) => existsSync(one));
  if (url === undefined) {
    it.skip(`${title} (no ../shared/wycheproof/${file}.json beside the project)`);
    return;
  }
  it(title, () => run(JSON.parse(readFileSync(url, 'utf8')) as Wycheproof<Group, Case>), timeout);
}
