/** What the compiler says of the table of options: checked by `npm run typecheck`, and not run. */

import { boolean } from '../src/arguments.js';
import type {
  ClassicClientOptions,
  ClassicServerOptions,
  CommonOptions,
  EveryClientOption,
  EveryServerOption,
  SealedClientOptions,
  SealedServerOptions,
} from '../src/options/options.js';
import type { serverTable } from '../src/options/server-table.js';
import {
  type clientTable,
  commonTable,
  type DefaultedCommon,
  type OptionTable,
} from '../src/options/table.js';

/** Whether two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(..._: Same<A, B> extends true ? [] : ['these types differ', A, B]): void {}

/** Names of the rows that belong to one protocol. */
type Only<Table, Protocol> = {
  [Name in keyof Table]: Table[Name] extends { readonly only: Protocol } ? Name : never;
}[keyof Table];

export function tablesHaveTheKeysOfTheInterfaces(): void {
  same<keyof typeof commonTable, keyof CommonOptions>();
  same<keyof typeof clientTable, keyof EveryClientOption>();
  same<keyof typeof serverTable, keyof EveryServerOption>();
}

export function optionsOfAProtocolAreThoseOfTheTable(): void {
  same<keyof SealedClientOptions, Exclude<keyof typeof clientTable, Only<typeof clientTable, 'classic'>>>();
  same<keyof ClassicClientOptions, Exclude<keyof typeof clientTable, Only<typeof clientTable, 'sealed'>>>();
  same<keyof SealedServerOptions, Exclude<keyof typeof serverTable, Only<typeof serverTable, 'classic'>>>();
  same<keyof ClassicServerOptions, Exclude<keyof typeof serverTable, Only<typeof serverTable, 'sealed'>>>();
}

/** For programs with exactOptionalPropertyTypes. */
export function everyOptionTakesUndefined(): void {
  type Undefined<Options> = { [Name in Exclude<keyof Options, 'protocol'>]: undefined };
  declaredUndefined<SealedClientOptions, Undefined<SealedClientOptions>>();
  declaredUndefined<ClassicClientOptions, Undefined<ClassicClientOptions> & { protocol: 'classic' }>();
  declaredUndefined<SealedServerOptions, Undefined<SealedServerOptions>>();
  declaredUndefined<ClassicServerOptions, Undefined<ClassicServerOptions> & { protocol: 'classic' }>();
  // @ts-expect-error an option that does not say so is found out
  declaredUndefined<{ a?: number }, { a: undefined }>();
}

function declaredUndefined<Options, _ extends Options>(): void {}

type Table = OptionTable<CommonOptions, DefaultedCommon>;

export function aTableThatDriftsDoesNotCompile(): void {
  const { keepAlive: _, ...others } = commonTable;
  // @ts-expect-error a row is missing
  const missing: Table = others;
  // @ts-expect-error a row too many
  const more: Table = { ...commonTable, another: { rule: boolean } };
  // @ts-expect-error without the default that the interface promises
  const none: Table = { ...commonTable, keepAlive: { rule: boolean } };
  // @ts-expect-error a default of another type
  const other: Table = { ...commonTable, keepAlive: { rule: boolean, default: 5 } };
  // @ts-expect-error of one protocol, while both have it
  const only: Table = { ...commonTable, keepAlive: { rule: boolean, default: true, only: 'sealed' } };
  // @ts-expect-error of both, while one has it
  const both: Table = { ...commonTable, pingInterval: { rule: boolean, default: 5 } };
  void [missing, more, none, other, only, both];
}
