import { printable, reasonOf } from './errors.js';

interface ProcessLike {
  emitWarning?(text: string, options: { type?: string; code: string }): void;
}

const platformProcess: ProcessLike | undefined = (globalThis as { process?: ProcessLike }).process;

/**
 * Calls what the application gave to be told of something. What it throws, or rejects with, is a warning, once for each
 * name: the caller is not concerned, and neither is the process.
 */
export function callSafely(name: string, call: () => unknown): void {
  const warn = (thrown: unknown): void => {
    if (warned.has(name)) return;
    warned.add(name);
    emitWarning(`${name} threw: ${reasonOf(thrown)}`, { code: 'SECURE_SOCKETS_CALLBACK' });
  };
  try {
    const result = call();
    if (typeof result === 'object' && result !== null) Promise.resolve(result).catch(warn);
  } catch (thrown) {
    warn(thrown);
  }
}

/** Asks something of the application that is true or false; what throws or is neither is `otherwise`, and a warning. */
export function askSafely(name: string, ask: () => unknown, otherwise: boolean): boolean {
  try {
    const answer = ask();
    if (typeof answer === 'boolean') return answer;
    if (typeof answer === 'object' && answer !== null) Promise.resolve(answer).catch(() => {});
    throw new TypeError(`it must return true or false, not ${typeof answer}`);
  } catch (thrown) {
    callSafely(name, () => {
      throw thrown;
    });
    return otherwise;
  }
}

const warned = new Set<string>();

/** A warning of the process, or on the console where there is no process to warn. */
export function emitWarning(warning: string, options: { type?: string; code: string }): void {
  const text = printable(warning);
  if (platformProcess?.emitWarning) platformProcess.emitWarning(text, options);
  else console.warn(`[${options.code}] ${text}`);
}
