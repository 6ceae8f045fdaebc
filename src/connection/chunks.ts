import { asOne } from '../core/bytes.js';

/** Chunks below this are copied together: each costs the system more than that. */
export const SMALL_CHUNK = 1024;

/** The chunks with neighbouring small ones copied together. */
export function joinSmall(chunks: readonly Uint8Array[]): Uint8Array[] {
  const result: Uint8Array[] = [];
  let run: Uint8Array[] = [];
  const endRun = (): void => {
    if (run.length > 0) result.push(asOne(run));
    run = [];
  };
  for (const chunk of chunks) {
    if (chunk.length < SMALL_CHUNK) run.push(chunk);
    else {
      endRun();
      result.push(chunk);
    }
  }
  endRun();
  return result;
}
