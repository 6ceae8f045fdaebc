import type { Backend } from '../src/backend.js';

/**
 * Marks a backend of this package, whose results test/backends has checked: the library does not check each of them again,
 * as it does with one of an application (src/options/guarded-backend.ts). The mark names the object that has it, so that an
 * object made of this one, with a method of its own, has none.
 */
export function markShipped(backend: Backend): Backend {
  return Object.defineProperty(backend, Symbol.for('secure-sockets:shipped'), { value: backend });
}
