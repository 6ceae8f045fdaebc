import type { Backend } from '../backend.js';

/** What backends of this package are marked with (backends/shipped.ts): they are shipped apart, and import nothing of it. */
const MARK = Symbol.for('secure-sockets:shipped');

/** Whether a backend is one of this package, as it was shipped. */
export function isShipped(backend: Backend): boolean {
  return (backend as { [MARK]?: unknown })[MARK] === backend;
}
