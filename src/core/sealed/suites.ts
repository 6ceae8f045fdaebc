import { badArgument } from '../../errors.js';

/** Name of a cipher suite: how the fresh keys of a connection are agreed on. */
export type SuiteName = 'X25519' | 'X25519MLKEM768';

/** The suites and their numbers on the wire (docs/protocol.md, X1). */
export const suiteIds: Readonly<Record<SuiteName, number>> = { X25519: 0x0101, X25519MLKEM768: 0x0102 };

/** The names of all suites. */
export const suiteNames: readonly SuiteName[] = Object.keys(suiteIds) as SuiteName[];

/** The name of a suite number, if it is one. */
export function suiteNameOf(id: number): SuiteName | undefined {
  return suiteNames.find((name) => suiteIds[name] === id);
}

/** One of the sixteen numbers that are never a suite (RFC 8701): offering one keeps servers used to unknown suites. */
export function greaseOf(byte: number): number {
  return ((byte & 0xf0) | 0x0a) * 0x0101;
}

/** Refuses a list that cannot be offered, or that needs what is not there. */
export function checkSuites(suites: readonly SuiteName[], mlKem768: unknown): void {
  const isList = suites.length > 0 && suites.every((name) => suiteNames.includes(name));
  if (!isList || new Set(suites).size !== suites.length) {
    throw badArgument(
      `suites must be different names out of ${suiteNames.join(', ')}, not '${suites.join(', ')}'`,
    );
  }
  if (suites.includes('X25519MLKEM768') && mlKem768 === undefined) {
    throw badArgument('the suite X25519MLKEM768 needs a backend with ML-KEM-768');
  }
}
