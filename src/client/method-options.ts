import {
  type ArgumentRules,
  abortSignal,
  anything,
  integer,
  readArguments,
  show,
  text,
} from '../arguments.js';
import { isBytes, isDetached } from '../core/bytes.js';
import { badArgument, kindOf } from '../errors.js';
import type { ProtocolName } from '../options/options.js';
import type { ConnectOptions } from './establish.js';

/** How to send. */
export interface SendOptions {
  /**
   * Aborts the wait: `send` rejects with its reason. The message is not sent, unless a part of it has been encrypted
   * already.
   */
  readonly signal?: AbortSignal | undefined;
}

/** How to receive. */
export interface RecvOptions {
  /** Aborts the wait; `recv` rejects with its reason and no message is lost. */
  readonly signal?: AbortSignal | undefined;
}

/** How to end the sending half. */
export interface EndOptions {
  /** What the peer is told: 0 (default), 1 (going away), or 16384 to 65535 with a meaning of one's own. Sealed only. */
  readonly code?: number | undefined;
}

/** How to close. */
export interface CloseOptions extends EndOptions {
  /** How long to wait for the peer without progress, in milliseconds, instead of `closeTimeout`: 1 to 2147483647. */
  readonly timeout?: number | undefined;
  /** Aborts the wait for the peer: the connection is destroyed, and `close` rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

const connectRules: ArgumentRules<ConnectOptions> = {
  signal: abortSignal,
  host: text,
  port: integer(0, 65535),
};
const sendRules: ArgumentRules<SendOptions> = { signal: abortSignal };
const recvRules: ArgumentRules<RecvOptions> = { signal: abortSignal };
const endRules: ArgumentRules<EndOptions> = { code: anything };
const closeRules: ArgumentRules<CloseOptions> = {
  code: anything,
  timeout: integer(1, 2 ** 31 - 1, 'milliseconds'),
  signal: abortSignal,
};

/** The options of `connect()`. */
export function readConnectOptions(options: ConnectOptions): ConnectOptions {
  return readArguments(options, connectRules, 'connect()');
}

/** The same for an address, which names the server itself. */
export function readDialOptions(options: ConnectOptions): ConnectOptions {
  const read = readConnectOptions(options);
  if (read.host === undefined && read.port === undefined) return read;
  throw badArgument(
    'host and port of connect() name the server behind a transport: an address does so itself',
  );
}

/** The options of `send()`. */
export function readSendOptions(options: SendOptions): SendOptions {
  return readArguments(options, sendRules, 'send()');
}

/** The options of `recv()`. */
export function readRecvOptions(options: RecvOptions): RecvOptions {
  return readArguments(options, recvRules, 'recv()');
}

/** The options of `end()`. */
export function readEndOptions(options: EndOptions, protocol: ProtocolName): { code: number } {
  const { code = 0 } = readArguments(options, endRules, 'end()');
  return { code: checkCloseCode(code, protocol) };
}

/** The options of `close()`. */
export function readCloseOptions(
  options: CloseOptions,
  protocol: ProtocolName,
): CloseOptions & { readonly code: number } {
  const { code = 0, ...others } = readArguments(options, closeRules, 'close()');
  return { ...others, code: checkCloseCode(code, protocol) };
}

/** A message, which is bytes. */
export function checkMessage(message: Uint8Array): void {
  if (!isBytes(message)) throw badArgument(`send() takes a Uint8Array, not ${describeNonBytes(message)}`);
  if (isDetached(message)) throw badArgument('the memory of this message was transferred or resized before');
}

/** What keying material is exported for. */
export function checkExport(label: string, context: Uint8Array): void {
  if (typeof label !== 'string') throw badArgument(`the label of a key is text, not ${kindOf(label)}`);
  if (!isBytes(context))
    throw badArgument(`the context of a key is a Uint8Array, not ${describeNonBytes(context)}`);
}

function checkCloseCode(code: unknown, protocol: ProtocolName): number {
  if (code === 0) return code;
  if (protocol === 'classic') throw badArgument('classic has no message that could carry a close code');
  const isOwn = Number.isInteger(code) && (code as number) >= 0x4000 && (code as number) <= 0xffff;
  if (code === 1 || isOwn) return code as number;
  throw badArgument(`a close code is 0, 1 or 16384 to 65535, not ${show(code)}`);
}

/** What was given where bytes are wanted; of text also how it becomes bytes. */
function describeNonBytes(value: unknown): string {
  return typeof value === 'string' ? 'a string (encode it: new TextEncoder().encode(text))' : kindOf(value);
}
