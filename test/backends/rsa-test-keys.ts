import type { Backend } from '../../src/backend.js';
import { type KeyName, testKey } from '../helpers/backends.js';

export const LABEL = new TextEncoder().encode('a label');

export function both(backend: Backend, name: KeyName) {
  const numbers = testKey(name);
  const { n } = numbers;
  return {
    publicKey: backend.rsaPublicKey(numbers),
    privateKey: backend.rsaPrivateKey(numbers),
    n,
    k: n.length,
  };
}
