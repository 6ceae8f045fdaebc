import { writeSync } from 'node:fs';
import { escapeUnseen, hasCode } from '../../errors.js';
import { oneOf } from './arguments.js';
import { explain, OutputClosed } from './failure.js';

/** The members of an event or result in JSON. */
export type Details = Readonly<Record<string, unknown>>;

/** Severities. A level selects the events of that severity and above. */
export const logLevels = ['error', 'warning', 'info', 'debug'] as const;

/** One of {@link logLevels}. */
export type LogLevel = (typeof logLevels)[number];

/** The output of a command: results on standard output, everything else on standard error; as text or as JSON lines. */
export interface Report {
  /** Whether results are JSON. */
  readonly json: boolean;
  /** A result, on standard output. */
  result(text: string, details: Details): void;
  /** An event, on standard error. */
  event(name: string, text: string, details?: Details): void;
  /** The same at the level `debug`. */
  detail(name: string, text: string, details?: Details): void;
  /** A failure, on standard error. Returns its exit code. */
  failure(error: unknown): number;
  /** The same report for one of several services. */
  of(service: string): Report;
  /** Changes level and format from now on. */
  change(flags: ReportFlags): void;
}

/** What the flags hold. */
export interface ReportFlags {
  readonly json?: boolean | undefined;
  readonly verbose?: boolean | undefined;
  readonly 'log-level'?: string | undefined;
  readonly 'log-format'?: string | undefined;
}

/** The severity of each event. */
const WARNINGS: ReadonlySet<string> = new Set(['dropped', 'limit', 'lost', 'refused', 'warning']);

/** Level and format of reports. */
interface Style {
  readonly level: LogLevel;
  readonly isJson: boolean;
}

/** The report that the flags ask for. */
export function reportAs(flags: ReportFlags): Report {
  const shared = { style: styleOf(flags) };
  current = reportIn(shared, flags.json === true, undefined);
  return current;
}

/** The report for messages outside a command, in the format of the command. */
export function currentReport(): Report {
  return current;
}

let current: Report = reportIn({ style: { level: 'info', isJson: false } }, false, undefined);

/** Throws unless the flags name a valid level and format. */
export function checkReport(flags: ReportFlags): void {
  styleOf(flags);
}

function styleOf({ json, verbose, ...flags }: ReportFlags): Style {
  const isJson = oneOf('log-format', flags['log-format'], ['text', 'json']) === 'json' || json === true;
  const level = oneOf('log-level', flags['log-level'], logLevels);
  return { isJson, level: level ?? (verbose || json ? 'debug' : 'info') };
}

function reportIn(shared: { style: Style }, json: boolean, service: string | undefined): Report {
  const write = (level: LogLevel, name: string, text: string, details: Details): void => {
    const { style } = shared;
    if (logLevels.indexOf(level) > logLevels.indexOf(style.level)) return;
    const time = new Date().toISOString();
    const from = service === undefined ? {} : { service };
    if (style.isJson) toStderr(toJson({ time, level, event: name, ...from, ...details }));
    else toStderr(escapeInLines(service === undefined ? prefix(text) : prefix(`${service}: ${text}`)));
  };
  return {
    json,
    result: (text, details) => print(`${json ? toJson(details) : text}\n`),
    event: (name, text, details = {}) => write(WARNINGS.has(name) ? 'warning' : 'info', name, text, details),
    detail: (name, text, details = {}) => write('debug', name, text, details),
    failure: (error) => {
      const { message, code, hints, exitCode } = explain(error);
      const text = [message, ...hints.map((hint) => `hint: ${hint}`)].join('\n');
      if (!(error instanceof OutputClosed)) write('error', 'error', text, { code, message, hints, exitCode });
      return exitCode;
    },
    of: (name) => reportIn(shared, json, name),
    change: (flags) => {
      shared.style = styleOf(flags);
    },
  };
}

/** Writes to standard output synchronously. */
export function print(text: string): void {
  writeAll(1, text);
}

/** A warning of the library or of Node itself, without Node's wording around it. */
export function reportWarning(warning: Error & { readonly code?: string }, report: Report): void {
  const message = ownWarnings[warning.code ?? ''] ?? warning.message;
  report.event('warning', `warning: ${message}`, { message });
}

/** Warnings of the library that speak of its functions, in words of the command. */
const ownWarnings: Readonly<Record<string, string>> = {
  SECURE_SOCKETS_EPHEMERAL_IDENTITY:
    'without --identity the key is for this run only, and clients that trust it refuse the next one',
};

/** On one line in every viewer, with nothing in it that a terminal acts on. */
function toJson(details: Details): string {
  return escapeUnseen(JSON.stringify(details));
}

/** What the text of an event has from a peer, a file or the command line does not control the terminal. */
function escapeInLines(text: string): string {
  return text.split('\n').map(escapeUnseen).join('\n');
}

function prefix(text: string): string {
  return `secure-sockets: ${text}`;
}

/** Synchronous, so that nothing is lost when the process exits. Errors of a reader that has ended are ignored. */
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
    // a full pipe that another process has made non-blocking
    if (hasCode(error, 'EAGAIN')) return waitABit();
    if (hasCode(error, 'EPIPE')) throw new OutputClosed();
    throw error;
  }
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

function waitABit(): 0 {
  Atomics.wait(sleeper, 0, 0, 5);
  return 0;
}
