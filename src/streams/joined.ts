/** What a stream writes together is seldom more; more gets memory of its own. */
const SIZE = 256 * 1024;

/** For so many writes at a time; others get memory of their own. */
const MAX_SPARE = 4;

const spare: Uint8Array[] = [];

/**
 * Calls `use` with the chunks as one, in memory that is wiped and used again when its promise has settled. All streams
 * share it: to have the garbage collector free a buffer for each write costs as much as to encrypt it.
 */
export async function withJoined(
  chunks: readonly Uint8Array[],
  use: (joined: Uint8Array) => Promise<void>,
): Promise<void> {
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const memory = length > SIZE ? new Uint8Array(length) : (spare.pop() ?? new Uint8Array(SIZE));
  const joined = memory.subarray(0, length);
  let at = 0;
  for (const chunk of chunks) {
    joined.set(chunk, at);
    at += chunk.length;
  }
  try {
    await use(joined);
  } finally {
    joined.fill(0);
    if (length <= SIZE && spare.length < MAX_SPARE) spare.push(memory);
  }
}
