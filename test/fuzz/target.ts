import { createHash } from 'node:crypto';
import type { Arbitrary } from 'fast-check';
import { CommandError, exitCodes } from '../../src/cli/shared/failure.js';
import { SecureSocketError } from '../../src/errors.js';
import type { Recorder } from '../helpers/recorder.js';

/** How an input reaches what is tested. */
export type Cutting = 'whole' | 'byte by byte';

/** Something that takes bytes from unauthenticated peers. */
export interface Target {
  readonly name: string;
  /** Inputs that are right: mutation begins with them. */
  readonly seeds: readonly Uint8Array[];
  /** Inputs that have the right form, and wrong contents now and then. */
  readonly structured?: Arbitrary<Uint8Array>;
  /** Whether the input may come in pieces. */
  readonly streams: boolean;
  /**
   * What becomes of an input, as a text that is the same for the same behaviour. Must not throw anything, and throws if
   * what is tested does anything but take the input or refuse it with a SecureSocketError.
   */
  verdict(input: Uint8Array, cutting: Cutting): Promise<string> | string;
}

/** An input that breaks a law, and how. */
export class Offence extends Error {
  readonly input: Uint8Array;

  constructor(target: string, input: Uint8Array, why: string, cause?: unknown) {
    super(`${target}: ${why}: ${Buffer.from(input).toString('hex')}`, { cause });
    this.input = input;
  }
}

/**
 * Gives an input to a target and holds it to the two laws: nothing but a SecureSocketError is ever thrown, and whole
 * and byte by byte are the same.
 */
export async function examine(target: Target, input: Uint8Array): Promise<string> {
  let whole: string;
  let pieces: string;
  try {
    whole = await target.verdict(input.slice(), 'whole');
    pieces = target.streams ? await target.verdict(input.slice(), 'byte by byte') : whole;
  } catch (error) {
    if (error instanceof Offence) throw error;
    throw new Offence(target.name, input, `threw ${String(error)}`, error);
  }
  if (whole === pieces) return whole;
  throw new Offence(target.name, input, `is "${whole}" as a whole and "${pieces}" byte by byte`);
}

/** What is accepted must be what would be written: there is one encoding only. */
export function requireSame(written: Uint8Array, input: Uint8Array): void {
  if (!Buffer.from(written).equals(input))
    throw new Error('accepted another encoding than the one that is written');
}

/** What a parser makes of bytes: its result, or the code and the text of its refusal. */
export function verdictOf(parse: () => unknown): string {
  try {
    return `ok ${show(parse())}`;
  } catch (error) {
    return refusal(error);
  }
}

/** The same for one that takes its time. */
export async function verdictOfAsync(parse: () => Promise<unknown>): Promise<string> {
  try {
    return `ok ${show(await parse())}`;
  } catch (error) {
    return refusal(error);
  }
}

/**
 * What a session, already started, makes of bytes: what it says, gives and ends with. The first `alone` bytes come alone, as a whole too.
 */
export async function verdictOfSession(
  make: () => Recorder | Promise<Recorder>,
  input: Uint8Array,
  cutting: Cutting,
  { alone = 0, maxMessage }: { readonly alone?: number; readonly maxMessage: number },
): Promise<string> {
  const end = await make();
  await end.settle();
  for (let at = 0; at < input.length; ) {
    const next = cutting === 'byte by byte' ? at + 1 : at < alone ? alone : input.length;
    end.session.receive(input.subarray(at, next));
    if (end.tasks.length > 0 || end.session.turnIsOver) await finishTurn(end);
    checkMemory(end, next, input);
    at = next;
  }
  const before = account(end);
  end.session.endOfStream();
  await finishTurn(end);
  const tooLong = end.messages.find(({ length }) => length > maxMessage);
  if (tooLong) throw new Offence('a session', input, `gives a message of ${tooLong.length} bytes`);
  return `${before}; then ${account(end)}`;
}

async function finishTurn(end: Recorder): Promise<void> {
  for (;;) {
    if (end.tasks.length > 0) await end.settle();
    else if (end.session.turnIsOver) end.session.work();
    else return;
  }
}

const FULL_ALLOCATION = 64 * 1024;

/** Memory follows the bytes received, not those announced. */
function checkMemory(end: Recorder, received: number, input: Uint8Array): void {
  const { held } = end.session;
  if (received < FULL_ALLOCATION && held > 2 * received + FULL_ALLOCATION)
    throw new Offence('a session', input, `holds ${held} bytes for ${received} received`);
}

function account(end: Recorder): string {
  const { error, endCode, opening, messages, answers, finalBytes } = end;
  const ending =
    error === undefined ? (endCode === undefined ? 'waits' : `ended ${endCode}`) : refusal(error);
  const facts = [
    ...[ending, opening ? 'open' : 'not open', `${messages.length} messages ${digest(messages)}`],
    ...[`${answers} answers`, `wrote ${digest(end.written)}`, `final bytes ${digest(finalBytes ?? [])}`],
  ];
  return facts.join(', ');
}

function refusal(error: unknown): string {
  if (error instanceof SecureSocketError) return `${error.code} ${error.message}`;
  if (error instanceof CommandError && error.exitCode === exitCodes.damaged)
    return `damaged ${error.message}`;
  throw error;
}

function digest(pieces: readonly Uint8Array[]): string {
  const hash = createHash('sha1');
  for (const piece of pieces) hash.update(`${piece.length} `).update(piece);
  return hash.digest('hex').slice(0, 12);
}

function show(value: unknown): string {
  return JSON.stringify(value, (_, inner) =>
    inner instanceof Uint8Array ? `${inner.length} ${digest([inner])}` : inner,
  );
}
