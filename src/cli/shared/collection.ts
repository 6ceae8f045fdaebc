import { setFlagsFromString } from 'node:v8';

/**
 * Has V8 free buffers while it collects garbage, and not on another thread afterwards. V8 collects the whole heap after
 * every 64 MiB of new buffers, and counts those that wait for the other thread: in a process that passes bytes on these
 * are most of them, the more the busier the machine is (docs/benchmarks/tunnel.md).
 */
export function freeBuffersAtOnce(): void {
  const { bun, deno } = process.versions;
  // whose garbage collection is another
  if (bun === undefined && deno === undefined) setFlagsFromString('--no-concurrent-array-buffer-sweeping');
}
