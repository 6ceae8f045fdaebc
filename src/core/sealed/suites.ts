import type { AeadName, Backend } from '../../backend.js';
import { badArgument } from '../../errors.js';

/** Name of a cipher suite: how the fresh keys of a connection are agreed on, and what protects its records. */
export type SuiteName = 'X25519' | 'X25519MLKEM768' | 'X25519-CHACHA20' | 'X25519MLKEM768-CHACHA20';

/** What a suite stands for. */
export interface Suite {
  /** Its number on the wire. */
  readonly id: number;
  /** Whether ML-KEM-768 goes with X25519. */
  readonly isHybrid: boolean;
  /** What protects the records. */
  readonly cipher: AeadName;
}

/** The suites by name (docs/protocol.md, X1). */
export const suites: Readonly<Record<SuiteName, Suite>> = {
  X25519: { id: 0x0101, isHybrid: false, cipher: 'aesGcm' },
  X25519MLKEM768: { id: 0x0102, isHybrid: true, cipher: 'aesGcm' },
  'X25519-CHACHA20': { id: 0x0103, isHybrid: false, cipher: 'chaCha20Poly1305' },
  'X25519MLKEM768-CHACHA20': { id: 0x0104, isHybrid: true, cipher: 'chaCha20Poly1305' },
};

/** The names of all suites. */
export const suiteNames: readonly SuiteName[] = Object.keys(suites) as SuiteName[];

/** The name of a suite number, if it is one. */
export function suiteNameOf(id: number): SuiteName | undefined {
  return suiteNames.find((name) => suites[name].id === id);
}

/** Whether a number is that of a suite with ML-KEM-768. */
export function isHybridId(id: number): boolean {
  const name = suiteNameOf(id);
  return name !== undefined && suites[name].isHybrid;
}

/** Whether a list has a suite with ML-KEM-768. */
export function hasHybrid(names: readonly SuiteName[]): boolean {
  return names.some((name) => suites[name].isHybrid);
}

/**
 * What an end offers or accepts by default, in order of preference: the backend's cipher first, and the hybrids,
 * before the others, only where they cost next to nothing.
 */
export function defaultSuites({
  native,
  fallbacks,
  preferredAead,
  lacks = [],
  mlKem768Later,
}: Pick<
  Backend,
  'native' | 'fallbacks' | 'preferredAead' | 'lacks' | 'mlKem768Later'
>): readonly SuiteName[] {
  const plain: SuiteName[] = ['X25519', 'X25519-CHACHA20'];
  const hybrid: SuiteName[] = ['X25519MLKEM768', 'X25519MLKEM768-CHACHA20'];
  const isFirst = (name: SuiteName): number => (suites[name].cipher === preferredAead ? 0 : 1);
  const sort = (names: SuiteName[]): SuiteName[] => names.sort((a, b) => isFirst(a) - isFirst(b));
  const isHybridNative = mlKem768Later !== undefined || (native && fallbacks.mlKem768 === undefined);
  const all = [...(isHybridNative ? sort(hybrid) : []), ...sort(plain)];
  return all.filter((name) => !isLacking(name, { lacks }));
}

/** Whether a backend has no cipher for a suite. */
export function isLacking(name: SuiteName, { lacks = [] }: Pick<Backend, 'lacks'>): boolean {
  return lacks.includes(suites[name].cipher);
}

/**
 * X3: the first of the server's list that the client offers. Between two that differ in nothing but the cipher the
 * client's order decides: the slower of two ends is the one that has a preference.
 */
export function chooseSuite(own: readonly SuiteName[], offered: readonly number[]): SuiteName | undefined {
  const first = own.find((name) => offered.includes(suites[name].id));
  if (first === undefined) return undefined;
  const { isHybrid } = suites[first];
  const id = offered.find((each) => own.some((name) => isSameExchange(name, each, isHybrid)));
  return id === undefined ? undefined : suiteNameOf(id);
}

function isSameExchange(name: SuiteName, id: number, isHybrid: boolean): boolean {
  return suites[name].id === id && suites[name].isHybrid === isHybrid;
}

/** One of the sixteen numbers that are never a suite (RFC 8701): offering one keeps servers used to unknown suites. */
export function greaseOf(byte: number): number {
  return ((byte & 0xf0) | 0x0a) * 0x0101;
}

/** Refuses a list that cannot be offered, or that needs what is not there. */
export function checkSuites(
  names: readonly SuiteName[],
  backend: Pick<Backend, 'lacks' | 'mlKem768Later'>,
  mlKem768: unknown,
): void {
  const isList = names.length > 0 && names.every((name) => suiteNames.includes(name));
  if (!isList || new Set(names).size !== names.length) {
    throw badArgument(
      `suites must be different names out of ${suiteNames.join(', ')}, not '${names.join(', ')}'`,
    );
  }
  const lacking = names.find((name) => isLacking(name, backend));
  if (lacking !== undefined)
    throw badArgument(`the suite ${lacking} needs a cipher that the backend does not have here`);
  const hybrid = names.find((name) => suites[name].isHybrid);
  if (hybrid !== undefined && mlKem768 === undefined && backend.mlKem768Later === undefined) {
    throw badArgument(`the suite ${hybrid} needs a backend with ML-KEM-768`);
  }
}
