import { markAsUntransferable } from 'node:worker_threads';
import type { ProtectMemory } from '../core/message-memory.js';

/** Tried once: a platform may have the function and not what it is for. */
export const protectMemory: ProtectMemory | undefined = isProtected() ? markAsUntransferable : undefined;

function isProtected(): boolean {
  const probe = new ArrayBuffer(1);
  try {
    markAsUntransferable(probe);
    structuredClone(null, { transfer: [probe] });
  } catch {
    // newer versions of Node refuse what older ones pass over
  }
  return probe.byteLength === 1 && typeof markAsUntransferable === 'function';
}
