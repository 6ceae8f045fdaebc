import type { Backend } from '../backend.js';

/** What backends of this package are marked with (backends/own.ts): they are shipped apart, and import nothing of it. */
const MARK = Symbol.for('secure-sockets:own-backend');

/** Whether a backend is one of this package, as it was shipped. */
export function isOwn(backend: Backend): boolean {
  return (backend as { [MARK]?: unknown })[MARK] === backend;
}
