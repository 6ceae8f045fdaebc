import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const { Bun } = globalThis as { Bun?: { gc(force: boolean): void } };
if (!Bun) setFlagsFromString('--expose-gc');

/** Frees all memory that nothing refers to any more, at once. */
export const collectGarbage: () => void = Bun ? () => Bun.gc(true) : runInNewContext('gc');
