/** The origin of an error: the calling program, a misbehaving peer, or the network. */
export type Blame = 'caller' | 'peer' | 'network';

/** Every code and its blame. Each one has a heading in docs/api.md. */
const blameOf: Readonly<Record<ErrorCode, Blame>> = {
  ALREADY_CONNECTED: 'caller',
  ALREADY_LISTENING: 'caller',
  BAD_ARGUMENT: 'caller',
  BAD_FRAME: 'peer',
  BAD_IDENTITY: 'caller',
  BAD_KEY: 'peer',
  BAD_OPTION: 'caller',
  BUFFER_LIMIT: 'peer',
  BUSY: 'network',
  CLOSED: 'caller',
  DECRYPT_FAILED: 'peer',
  HANDSHAKE_FAILED: 'peer',
  HANDSHAKE_TIMEOUT: 'network',
  IDLE_TIMEOUT: 'network',
  MESSAGE_TOO_BIG: 'peer',
  MESSAGE_TOO_BIG_FOR_PEER: 'caller',
  NO_COMMON_SUITE: 'peer',
  NO_TRUST: 'caller',
  NOT_BOUND: 'caller',
  NOT_CONNECTED: 'caller',
  NOT_LISTENING: 'caller',
  NOT_SEALED: 'peer',
  PEER_CLOSED: 'peer',
  PING_TIMEOUT: 'network',
  PROTOCOL: 'peer',
  RECV_PENDING: 'caller',
  SEND_QUEUE_FULL: 'caller',
  TRANSPORT_FAILED: 'network',
  TRUNCATED: 'network',
  UNAUTHORIZED_CLIENT: 'peer',
  UNTRUSTED_SERVER: 'peer',
} as const;

/**
 * One of the closed list of error codes: `BAD_ARGUMENT` is that of an {@link ArgumentError}, all others of a {@link
 * SecureSocketError}.
 */
export type ErrorCode =
  | 'ALREADY_CONNECTED'
  | 'ALREADY_LISTENING'
  | 'BAD_ARGUMENT'
  | 'BAD_FRAME'
  | 'BAD_IDENTITY'
  | 'BAD_KEY'
  | 'BAD_OPTION'
  | 'BUFFER_LIMIT'
  | 'BUSY'
  | 'CLOSED'
  | 'DECRYPT_FAILED'
  | 'HANDSHAKE_FAILED'
  | 'HANDSHAKE_TIMEOUT'
  | 'IDLE_TIMEOUT'
  | 'MESSAGE_TOO_BIG'
  | 'MESSAGE_TOO_BIG_FOR_PEER'
  | 'NO_COMMON_SUITE'
  | 'NO_TRUST'
  | 'NOT_BOUND'
  | 'NOT_CONNECTED'
  | 'NOT_LISTENING'
  | 'NOT_SEALED'
  | 'PEER_CLOSED'
  | 'PING_TIMEOUT'
  | 'PROTOCOL'
  | 'RECV_PENDING'
  | 'SEND_QUEUE_FULL'
  | 'TRANSPORT_FAILED'
  | 'TRUNCATED'
  | 'UNAUTHORIZED_CLIENT'
  | 'UNTRUSTED_SERVER';

/** What an error may carry beside its text. Nothing in it is secret. */
export interface ErrorDetails {
  /** The error behind this one. */
  readonly cause?: unknown;
  /** The fingerprint met, with UNTRUSTED_SERVER and UNAUTHORIZED_CLIENT. */
  readonly fingerprint?: string;
  /** The code the peer gave in its CLOSE, with PEER_CLOSED. */
  readonly closeCode?: number;
}

/** The one error class of this library. System errors of the network (`ECONNREFUSED`) and abort reasons pass as they are. */
export class SecureSocketError extends Error {
  /** What happened, one of a closed list. */
  readonly code: ErrorCode;
  /** Who has to act. */
  readonly blame: Blame;
  /** The fingerprint met, with UNTRUSTED_SERVER and UNAUTHORIZED_CLIENT. */
  declare readonly fingerprint?: string;
  /** The code the peer gave in its CLOSE, with PEER_CLOSED. */
  declare readonly closeCode?: number;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(printable(message), 'cause' in details ? { cause: details.cause } : undefined);
    this.code = code;
    this.blame = blameOf[code];
    if (details.fingerprint !== undefined) this.fingerprint = details.fingerprint;
    if (details.closeCode !== undefined) this.closeCode = details.closeCode;
  }

  /** `'SecureSocketError'`. */
  override get name(): string {
    return 'SecureSocketError';
  }
}

/** Every error code, sorted. */
export const errorCodes: readonly ErrorCode[] = /* @__PURE__ */ Object.keys(blameOf).sort() as ErrorCode[];

/** A wrong argument: a `TypeError` that has a code and a blame like every other error here. */
export interface ArgumentError extends TypeError {
  /** Always the same. */
  readonly code: 'BAD_ARGUMENT';
  /** Who passed the argument. */
  readonly blame: 'caller';
}

/** The error of a wrong argument; the text says what was expected and what came. */
export function badArgument(message: string): ArgumentError {
  return Object.assign(new TypeError(printable(message)), { code: 'BAD_ARGUMENT', blame: 'caller' } as const);
}

/** The error of a wrong option. */
export function badOption(message: string, cause?: unknown): SecureSocketError {
  return new SecureSocketError('BAD_OPTION', message, cause === undefined ? {} : { cause });
}

/** The code of an error, of the system or of this package, if it has one. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Whether an error has one of these codes. */
export function hasCode(error: unknown, ...codes: readonly string[]): error is Error {
  const code = codeOf(error);
  return code !== undefined && codes.includes(code);
}

/** What a value is, as an error text says it. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value !== 'object') return typeof value === 'string' ? 'a string' : typeof value;
  return value.constructor?.name ? `an object of class ${value.constructor.name}` : 'an object';
}

/** Why something failed, by what was thrown: that may be anything, and even asking it for text may throw. */
export function reasonOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? thrown.message : String(thrown);
  } catch {
    return typeof thrown;
  }
}

/** Code that is fetched when it is first needed: that it cannot be had is no one's mistake, and may pass. */
export function fetched<Code>(code: Promise<Code>): Promise<Code> {
  return code.catch((cause: unknown) => {
    throw new SecureSocketError('TRANSPORT_FAILED', 'code could not be loaded', { cause });
  });
}

/** How much of a value that came from elsewhere an error text has. */
const LONGEST_VALUE = 100;
/** How long an error text may be, and how much of its end is left then. */
const LONGEST_TEXT = 2000;
const END_OF_TEXT = 500;

/** What a terminal or an editor acts on instead of showing it: control characters, and those that turn or hide text. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const shortForms: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** A value that came from elsewhere as an error text has it: text in quotes, short, and with nothing in it that is not seen. */
export function quote(text: unknown): string {
  if (typeof text !== 'string') return Object(text) === text ? kindOf(text) : String(text);
  return escapeUnseen(
    JSON.stringify(text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}...` : text),
  );
}

/** The same for an error text as a whole, whatever has got into it: one line of bounded length. */
export function printable(text: string): string {
  const whole = String(text);
  if (whole.length <= LONGEST_TEXT) return escapeUnseen(whole);
  return escapeUnseen(`${whole.slice(0, LONGEST_TEXT - END_OF_TEXT)} ... ${whole.slice(-END_OF_TEXT)}`);
}

/** Each of its UTF-16 units that is not seen as JSON writes it. */
export function escapeUnseen(text: string): string {
  return text.replace(UNSEEN, (character) =>
    character.replace(
      /./gs,
      (unit) => shortForms[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
    ),
  );
}
