import type { Backend } from '../src/backend.js';

/** JavaScript for what the platform lacks, loaded when that is met. */
export async function loadNoble(): Promise<Backend> {
  return (await import('./noble.js')).noble;
}

/** Of what a client's backend has from the platform alone, so that connections must have taken the other form. */
export function noImmediateForm(): Error {
  return new TypeError('the platform computes this elsewhere: it has no immediate form');
}
