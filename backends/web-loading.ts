import type { Backend } from '../src/backend.js';

let fetched = <Code>(code: Promise<Code>): Promise<Code> => code;

/** Has the library say what it is when code cannot be fetched: its errors are not a backend's to make. */
export function loadBy(how: typeof fetched): void {
  fetched = how;
}

/** Code that only some need, and that is asked for again where it could not be had before. */
export function load<Code>(code: Promise<Code>): Promise<Code> {
  return fetched(code);
}

/** JavaScript for what the platform lacks, loaded when that is met. */
export async function loadNoble(): Promise<Backend> {
  return (await load(import('./noble.js'))).noble;
}

/** Of what a client's backend has from the platform alone, so that connections must have taken the other form. */
export function noImmediateForm(): Error {
  return new TypeError('the platform computes this elsewhere: it has no immediate form');
}
