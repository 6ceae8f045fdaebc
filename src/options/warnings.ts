import type { Backend } from '../backend.js';
import { emitWarning } from '../callbacks.js';

/** A warning of the process: its text, type and code. */
export interface Warning {
  readonly text: string;
  readonly type: string;
  readonly code: string;
}

/** Of a server that makes a key for itself. */
export const ephemeralIdentity: Warning = {
  text: 'this server has no identity and makes a key for itself: it is not listening before listen() resolves, in a second or so; clients that pin the key lose it with the process',
  type: 'Warning',
  code: 'SECURE_SOCKETS_EPHEMERAL_IDENTITY',
};

/** Of the option `keylog`. */
export const keylogWarning: Warning = {
  text: 'the keylog option gives away the secrets of every connection: it is for debugging only',
  type: 'SecurityWarning',
  code: 'SECURE_SOCKETS_KEYLOG',
};

/** Of a server that computes in JavaScript. */
export function javascriptServer({ name }: Backend): Warning {
  return {
    text: `the ${name} backend is ${name === 'web' ? 'in part ' : ''}JavaScript and not constant-time: a server on a network should use the node backend`,
    type: 'SecurityWarning',
    code: 'SECURE_SOCKETS_JAVASCRIPT_SERVER',
  };
}

const warned = new Set<string>();

/** Warns once in a process. */
export function warnOnce(warning: Warning | undefined): void {
  if (warning === undefined || warned.has(warning.code)) return;
  warned.add(warning.code);
  emitWarning(warning.text, { type: warning.type, code: warning.code });
}
