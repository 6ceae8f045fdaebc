import { expect, it, vi } from 'vitest';

const loaded = vi.hoisted(() => [] as string[]);

// Stand-ins for everything that the other backends are made of: loading one is noted, and ends badly.
vi.mock('node-forge', () => refuse('node-forge'));
vi.mock('sodium-native', () => refuse('sodium-native'));
vi.mock('@noble/ciphers/aes.js', () => refuse('@noble/ciphers'));
vi.mock('@noble/curves/ed25519.js', () => refuse('@noble/curves'));
vi.mock('@noble/hashes/sha2.js', () => refuse('@noble/hashes'));
vi.mock('@noble/post-quantum/ml-kem.js', () => refuse('@noble/post-quantum'));
vi.mock('micro-rsa-dsa-dh/rsa.js', () => refuse('micro-rsa-dsa-dh'));

function refuse(name: string): never {
  loaded.push(name);
  throw new Error(`${name} was loaded`);
}

it('the node backend loads and works without the libraries of the others', async () => {
  const { node } = await import('../../backends/node.js');
  const key = node.x25519();
  expect(key.agree(node.x25519().publicKey)).toHaveLength(32);
  expect(node.sha256(key.publicKey)).toHaveLength(32);
  expect(node.aesEcb(key.publicKey).encrypt(new Uint8Array(16))).toHaveLength(16);
  expect(loaded).toEqual([]);
});

it('the node backend loads what it borrows when asked for it, and says so beforehand', async () => {
  const { node } = await import('../../backends/node.js');
  const kem = await node.mlKem768().catch((error: unknown) => error);
  expect(kem instanceof Error).toBe('mlKem768' in node.fallbacks);
  expect(loaded.length > 0).toBe('mlKem768' in node.fallbacks);
});

it.each(['sodium', 'forge', 'noble'])('the %s backend does load its library', async (name) => {
  loaded.length = 0;
  await expect(import(`../../backends/${name}.ts`)).rejects.toThrow();
  expect(loaded).not.toEqual([]);
});
