import type { Writable } from 'node:stream';

export const PIECE = Buffer.alloc(1 << 20);

/** Writes until nothing more is taken. */
export function pour(stdin: Writable | null): void {
  if (stdin === null || stdin.destroyed) return;
  stdin.write(PIECE, (error) => {
    if (!error) pour(stdin);
  });
}
