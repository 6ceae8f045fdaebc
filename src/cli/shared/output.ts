import { writeSync } from 'node:fs';
import { explain, OutputClosed } from './failure.js';

/** What belongs to an event or result in JSON. */
export type Details = Readonly<Record<string, unknown>>;

/** How a command speaks: results on standard output, all else on standard error; as text, or as JSON lines. */
export interface Report {
  readonly json: boolean;
  /** A result, on standard output. */
  result(text: string, details: Details): void;
  /** Something that happened, on standard error. */
  event(name: string, text: string, details?: Details): void;
  /** The same if it is asked for: with `--verbose`, and in JSON. */
  detail(name: string, text: string, details?: Details): void;
  /** A failure, on standard error. Returns the exit code it stands for. */
  failure(error: unknown): number;
}

/** The way of reporting that the flags ask for. */
export function reportAs(flags: { json?: boolean | undefined; verbose?: boolean | undefined }): Report {
  const { json = false, verbose = false } = flags;
  const event: Report['event'] = (name, text, details = {}) =>
    toStderr(json ? JSON.stringify({ event: name, ...details }) : prefixed(text));
  return {
    json,
    result: (text, details) => print(`${json ? JSON.stringify(details) : text}\n`),
    event,
    detail: json || verbose ? event : () => {},
    failure: (error) => reportFailure(error, json),
  };
}

/** Writes to standard output at once. */
export function print(text: string): void {
  writeAll(1, text);
}

/** A warning of the library or of Node itself, without Node's wording around it. */
export function reportWarning({ message }: Error, report: Report): void {
  report.event('warning', `warning: ${message}`, { message });
}

function reportFailure(error: unknown, json: boolean): number {
  const { message, code, hints, exitCode } = explain(error);
  if (error instanceof OutputClosed) return exitCode;
  if (json) toStderr(JSON.stringify({ event: 'error', code, message, hints, exitCode }));
  else toStderr([prefixed(message), ...hints.map((hint) => `hint: ${hint}`)].join('\n'));
  return exitCode;
}

function prefixed(text: string): string {
  return `secure-sockets: ${text}`;
}

/** Synchronous, so that nothing is lost when the process exits. A reader that has gone cannot be told. */
function toStderr(text: string): void {
  try {
    writeAll(2, `${text}\n`);
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error;
  }
}

function writeAll(descriptor: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) at += writeSome(descriptor, bytes.subarray(at));
}

function writeSome(descriptor: number, bytes: Uint8Array): number {
  try {
    return writeSync(descriptor, bytes);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    // a pipe that another process has made non-blocking, and that is full
    if (code === 'EAGAIN') return waitABit();
    if (code === 'EPIPE') throw new OutputClosed();
    throw error;
  }
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

function waitABit(): 0 {
  Atomics.wait(sleeper, 0, 0, 5);
  return 0;
}
