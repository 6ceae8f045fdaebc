import { boolean, callback, integer, oneOf, type Rule } from '../arguments.js';
import type { Backend } from '../backend.js';
import type {
  ClassicOption,
  CommonOptions,
  EveryClientOption,
  EveryServerOption,
  SealedClientOption,
  SealedOption,
} from './options.js';
import {
  backendObject,
  type Given,
  identityObject,
  knownHostsOption,
  paddingOption,
  sessionsObject,
  suiteList,
  textOrTexts,
} from './rules.js';

// What the library knows of an option stands in its row here, once: the checks and the defaults follow from it, and tests
// compare it with docs/api.md and with the sentences of the interfaces. The types below tie the rows to the interfaces:
// a row too many or too few, of the wrong protocol, or with a default where none is promised, does not compile.

/** What is known of an option. */
export interface OptionRow<Value> {
  /** What it takes. */
  readonly rule: Rule;
  /** What holds if it is not given: a value, or how it follows from the other options and the backend. */
  readonly default?: Value | ComputedDefault<Value> | undefined;
  /** The default in words, for docs/api.md, where it is no plain value. */
  readonly shown?: string;
  /** What differs in classic. */
  readonly classic?: { readonly rule: Rule; readonly default?: Value };
  /** The protocol that has it. Absent: both. */
  readonly only?: 'sealed' | 'classic' | undefined;
}

/** A default that depends on something. */
export type ComputedDefault<Value> = (given: Given<EveryServerOption>, backend: Backend) => Value;

/** A row for every option of an interface. */
export type OptionTable<Options extends object, Defaulted, Sealed = SealedOption> = {
  readonly [Name in keyof Options]-?: OptionRow<Exclude<Options[Name], undefined>> &
    (Name extends Defaulted ? { readonly default: unknown } : { readonly default?: undefined }) &
    OnlyIn<Name, Sealed>;
};

type OnlyIn<Name, Sealed> = Name extends Sealed
  ? { readonly only: 'sealed' }
  : Name extends ClassicOption
    ? { readonly only: 'classic' }
    : { readonly only?: undefined };

/** Options of both ends that have a default. */
export type DefaultedCommon = Exclude<keyof CommonOptions, 'suites' | 'padding' | 'keylog'>;
/** Options of a client that have one. */
export type DefaultedClient = DefaultedCommon | 'minModulusBits' | 'settleMs';

/** In bytes. */
export const MEBIBYTE: number = 2 ** 20;
const MAX_TIME = 2 ** 31 - 1;
const milliseconds = integer(1, MAX_TIME, 'milliseconds');
const millisecondsOrNever = integer(0, MAX_TIME, 'milliseconds', 'never');

/** Nine digits have to hold the length of a message with its padding. */
const MAX_CLASSIC_MESSAGE = 999_999_967;
const classicMaxMessage: Rule = {
  ...integer(1024, MAX_CLASSIC_MESSAGE, 'bytes'),
  hint: (value) =>
    Number(value) > MAX_CLASSIC_MESSAGE
      ? `at most ${MAX_CLASSIC_MESSAGE} bytes (lengths have nine digits)`
      : undefined,
};

/** Options of both ends. */
export const commonTable: OptionTable<CommonOptions, DefaultedCommon> = {
  protocol: { rule: oneOf('sealed', 'classic'), default: 'sealed' },
  backend: {
    rule: backendObject,
    default: (_, backend) => backend,
    shown: 'node; web in browsers, workers and edge runtimes',
  },
  maxMessage: {
    rule: integer(1024, 2 ** 31 - 1, 'bytes'),
    default: 16 * MEBIBYTE,
    classic: { rule: classicMaxMessage },
  },
  handshakeTimeout: { rule: milliseconds, default: 10_000 },
  closeTimeout: { rule: milliseconds, default: 5_000 },
  allowHalfOpen: { rule: boolean, default: false },
  highWaterMark: { rule: integer(1, 2 ** 31 - 1, 'bytes'), default: MEBIBYTE },
  maxSendQueue: { rule: integer(1, 2 ** 40, 'bytes'), default: 64 * MEBIBYTE },
  keepAlive: { rule: boolean, default: true },
  keepAliveInitialDelay: { rule: milliseconds, default: 60_000 },
  idleTimeout: { rule: millisecondsOrNever, default: 0 },
  pingInterval: { rule: millisecondsOrNever, default: 30_000, only: 'sealed' },
  pingTimeout: { rule: milliseconds, default: 20_000, only: 'sealed' },
  suites: { rule: suiteList, shown: 'by backend', only: 'sealed' },
  maxRecord: {
    rule: integer(16384, 1052672, 'bytes'),
    default: (_, { native }) => (native ? 1052672 : 131072),
    only: 'sealed',
  },
  padding: { rule: paddingOption, only: 'sealed' },
  keylog: { rule: callback('(line) => void') },
  keyLength: {
    rule: { ...oneOf(16, 24, 32), wanted: 'one of 16, 24, 32 bytes' },
    default: 32,
    only: 'classic',
  },
};

/** Every option of a client. */
export const clientTable: OptionTable<EveryClientOption, DefaultedClient, SealedClientOption> = {
  ...commonTable,
  serverKey: { rule: textOrTexts('a fingerprint such as "SHA256:…", or an array of at least one') },
  knownHosts: { rule: knownHostsOption, only: 'sealed' },
  verifyServer: { rule: callback('(spki, fingerprint) => boolean'), only: 'sealed' },
  identity: { rule: identityObject, only: 'sealed' },
  sessions: { rule: sessionsObject, only: 'sealed' },
  minModulusBits: { rule: integer(512, 4096, 'bits'), default: 2048, only: 'classic' },
  settleMs: { rule: integer(0, MAX_TIME, 'milliseconds'), default: 100, only: 'classic' },
};
