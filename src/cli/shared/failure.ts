import { codeOf, hasCode, printable } from '../../errors.js';
import { type ErrorCode, SecureSocketError } from '../../index.js';

/** What the command's exit code says. */
export const exitCodes = { ok: 0, network: 1, usage: 2, trust: 3, damaged: 4 } as const;

/** A failure with its exit code, message and hints. */
export class CommandError extends Error {
  readonly exitCode: number;
  readonly hints: readonly string[];

  constructor(exitCode: number, message: string, hints: readonly string[] = [], cause?: unknown) {
    super(printable(message), cause === undefined ? undefined : { cause });
    this.exitCode = exitCode;
    this.hints = hints.map(printable);
  }
}

/** An error in the arguments of a command. */
export function usageError(message: string, ...hints: string[]): CommandError {
  return new CommandError(exitCodes.usage, message, hints);
}

/** What `use` resolves to; if it rejects because a file is not there, that error with a hint. */
export async function hintIfMissing<T>(use: Promise<T>, hint: string): Promise<T> {
  try {
    return await use;
  } catch (error) {
    if (!(error instanceof Error) || !hasCode(error.cause, 'ENOENT')) throw error;
    throw new CommandError(exitCodes.usage, error.message, [hint], error);
  }
}

/** The reader of standard output has ended, as `head` does: nothing to report. */
export class OutputClosed extends CommandError {
  constructor() {
    super(128 + 13, 'standard output is closed');
  }
}

/** SIGINT or SIGTERM was received. */
export class Interrupted extends CommandError {
  constructor(signal: 'SIGINT' | 'SIGTERM') {
    super(128 + (signal === 'SIGINT' ? 2 : 15), `stopped by ${signal}`);
  }
}

/** An error as the command reports it. */
export interface Explanation {
  readonly message: string;
  readonly code: string | undefined;
  readonly hints: readonly string[];
  readonly exitCode: number;
}

/** The message, hints and exit code of an error for the user. */
export function explain(error: unknown): Explanation {
  if (error instanceof CommandError) {
    const { message, hints, exitCode, cause } = error;
    return { message, code: cause === undefined ? undefined : codeOf(cause), hints, exitCode };
  }
  if (error instanceof SecureSocketError) {
    const { message, code } = error;
    return { message, code, hints: hintsFor[code] ?? [], exitCode: exitCodeOf[code] ?? exitCodes.usage };
  }
  if (isSystemError(error)) return explainSystemError(error);
  throw error;
}

/** The same where nothing may end the process: an internal error is reported unchanged. */
export function explainAnything(error: unknown): Explanation {
  try {
    return explain(error);
  } catch {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { message, code: undefined, hints: [], exitCode: 70 };
  }
}

/** The same for an error that ended an open connection: data may be missing, whatever the error was. */
export function lostConnection(error: unknown): unknown {
  if (error instanceof CommandError) return error;
  const { message, code, hints, exitCode } = explain(error);
  if (exitCode !== exitCodes.network && code !== 'TRUNCATED') return error;
  return new CommandError(exitCodes.damaged, `the connection was lost: ${message}`, hints, error);
}

const { network, trust, damaged } = exitCodes;

/** Codes that are not listed are usage errors. */
const exitCodeOf: Partial<Record<ErrorCode, number>> = {
  BAD_FRAME: damaged,
  BAD_KEY: trust,
  BUFFER_LIMIT: damaged,
  BUSY: network,
  CLOSED: network,
  DECRYPT_FAILED: damaged,
  HANDSHAKE_FAILED: network,
  HANDSHAKE_TIMEOUT: network,
  IDLE_TIMEOUT: network,
  MESSAGE_TOO_BIG: damaged,
  NO_COMMON_SUITE: network,
  NO_TRUST: trust,
  NOT_SEALED: network,
  PEER_CLOSED: damaged,
  PING_TIMEOUT: network,
  PROTOCOL: damaged,
  TRANSPORT_FAILED: network,
  TRUNCATED: damaged,
  UNAUTHORIZED_CLIENT: trust,
  UNTRUSTED_SERVER: trust,
};

const hintsFor: Partial<Record<ErrorCode, readonly string[]>> = {
  BAD_KEY: ['a classic server with a short key is admitted by --min-modulus-bits'],
  HANDSHAKE_FAILED: ['both ends must use the same --protocol; what the other end reports may say more'],
  MESSAGE_TOO_BIG_FOR_PEER: ['send smaller messages with --message-size BYTES'],
  NOT_SEALED: ['both ends must use the same --protocol, sealed or classic'],
  UNAUTHORIZED_CLIENT: ["the client's key has to be in the server's --authorized-keys: see --identity"],
};

interface SystemError extends Error {
  readonly code: string;
  readonly syscall?: string;
  /** For an attempt on several addresses: the result of each. */
  readonly errors?: readonly Error[];
}

function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && codeOf(error) !== undefined && !(error instanceof TypeError);
}

const networkCalls = ['accept', 'bind', 'connect', 'getaddrinfo', 'listen', 'read', 'shutdown', 'write'];

function explainSystemError(error: SystemError): Explanation {
  const { code, syscall, errors } = error;
  const first = errors?.[0];
  const call = syscall ?? (first && 'syscall' in first ? String(first.syscall) : '');
  const isNetwork = networkCalls.includes(call) && !('path' in error && call !== 'connect');
  const message = error.message || (errors ?? []).map((one) => one.message).join(', ');
  const hints = systemHints[`${code} ${call}`] ?? systemHints[code] ?? [];
  return {
    message: printable(message),
    code,
    hints,
    exitCode: isNetwork ? exitCodes.network : exitCodes.usage,
  };
}

/** By the system's code, or by code and call. */
const systemHints: Readonly<Record<string, readonly string[]>> = {
  'EACCES listen': ['the system does not let this user listen there: ports below 1024 are often reserved'],
  EADDRNOTAVAIL: ['this machine has no such address'],
  EADDRINUSE: ['another program listens there, or a Unix socket was left behind: choose another address'],
  ECONNREFUSED: ['nothing listens there: is the server running, and the port right?'],
  EAI_AGAIN: ['the name could not be resolved now: is there a name server that can be reached?'],
  EHOSTUNREACH: ['no way to that machine: is it on, and the address right?'],
  ENETUNREACH: ['no way to that network: is this machine connected, and the address right?'],
  ENOTFOUND: ['the name could not be resolved: check its spelling'],
};
