import { describe, expect, it } from 'vitest';
import { hasAesInstructions, isAesFast } from '../../backends/node-processor.js';

// as Linux writes it on a Raspberry Pi 5 and on a Raspberry Pi 4
const WITH = 'processor\t: 0\nFeatures\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics\n';
const WITHOUT = 'processor\t: 0\nFeatures\t: fp asimd evtstrm crc32 cpuid\nCPU implementer\t: 0x41\n';

/** Without a text, reading it fails. */
function ask(platform: NodeJS.Platform, arch: NodeJS.Architecture, cpuInfo?: string): boolean {
  return hasAesInstructions({ platform, arch }, () => {
    if (cpuInfo === undefined) throw new Error('no such file');
    return cpuInfo;
  });
}

describe('instructions for AES', () => {
  it.each<[NodeJS.Platform, NodeJS.Architecture, string | undefined, boolean]>([
    ['linux', 'x64', WITHOUT, true],
    ['win32', 'x64', undefined, true],
    ['darwin', 'arm64', undefined, true],
    ['win32', 'arm64', undefined, true],
    ['linux', 'arm64', WITH, true],
    ['linux', 'arm64', WITHOUT, false],
    ['linux', 'arm64', 'Features\t: fp aesx\n', false],
    ['linux', 'arm64', 'processor\t: 0\n', true],
    ['linux', 'arm64', undefined, true],
    ['linux', 'arm', WITH, false],
    ['linux', 'ia32', WITH, false],
    ['linux', 'riscv64', WITH, false],
  ])('on %s %s, which says %j: %s', (platform, arch, cpuInfo, expected) => {
    expect(ask(platform, arch, cpuInfo)).toBe(expected);
  });
});

it('on Deno AES is the slower cipher whatever the processor has', () => {
  const { deno: _, ...versions } = process.versions;
  expect(isAesFast({ ...versions, deno: '2.9.6' })).toBe(false);
  expect(isAesFast(versions)).toBe(hasAesInstructions());
});
