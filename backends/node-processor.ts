import { readFileSync } from 'node:fs';

/**
 * Whether AES-GCM is the faster cipher. On Deno (2.9.6) it is not: its `node:crypto` makes 0.1 GB/s of it on processors with
 * the instructions, and 1 GB/s of ChaCha20-Poly1305 (docs/benchmarks).
 */
export function isAesFast(versions: NodeJS.ProcessVersions = process.versions): boolean {
  return versions.deno === undefined && hasAesInstructions();
}

/**
 * Whether the processor has instructions for AES. All of x64 that still runs Node have them; of arm64 the Raspberry Pi 4
 * and older boards have none, which Linux tells.
 */
export function hasAesInstructions(
  { platform, arch }: Pick<NodeJS.Process, 'platform' | 'arch'> = process,
  readCpuInfo: () => string = () => readFileSync('/proc/cpuinfo', 'utf8'),
): boolean {
  if (arch === 'x64') return true;
  if (arch !== 'arm64') return false;
  if (platform !== 'linux') return true;
  const features = /^Features\s*:(.*)$/m.exec(textOrNothing(readCpuInfo))?.[1];
  return features === undefined || features.split(/\s+/).includes('aes');
}

/** Systems may hide the file; then nothing speaks against the instructions. */
function textOrNothing(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
