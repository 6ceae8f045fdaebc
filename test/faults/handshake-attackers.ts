import type { Backend, SecureServer } from 'secure-sockets';
import { node } from 'secure-sockets/backends/node';
import { afterEach, vi } from 'vitest';
import { portOf } from '../helpers/sockets.js';

const open: AsyncDisposable[] = [];

afterEach(async () => {
  vi.useRealTimers();
  for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});

export function keep<T extends AsyncDisposable>(resource: T): T {
  open.push(resource);
  return resource;
}

export const local = (server: SecureServer): { port: number; host: string } => ({
  port: portOf(server),
  host: '127.0.0.1',
});

/** A backend whose private operations are counted, and can be held up. */
export function countOperations(): { backend: Backend; count: number; inFlight: number; max: number } {
  const seen = { backend: node, count: 0, inFlight: 0, max: 0 };
  const watch = async <T>(operation: () => Promise<T>): Promise<T> => {
    seen.count++;
    seen.max = Math.max(seen.max, ++seen.inFlight);
    try {
      return await operation();
    } finally {
      seen.inFlight--;
    }
  };
  seen.backend = {
    ...node,
    rsaPrivateKey: (numbers) => {
      const key = node.rsaPrivateKey(numbers);
      return {
        modulusLength: key.modulusLength,
        decryptRaw: (ciphertext) => watch(() => key.decryptRaw(ciphertext)),
        decryptOaep: (ciphertext, label) => watch(() => key.decryptOaep(ciphertext, label)),
        signPss: (message) => watch(() => key.signPss(message)),
      };
    },
  };
  return seen;
}

/** The same backend, whose private operations wait for something. */
export function slowDown(backend: Backend, until: () => Promise<void>): Backend {
  return {
    ...backend,
    rsaPrivateKey: (numbers) => {
      const key = backend.rsaPrivateKey(numbers);
      return {
        ...key,
        decryptRaw: async (ciphertext) => {
          await until();
          return key.decryptRaw(ciphertext);
        },
        decryptOaep: async (ciphertext, label) => {
          await until();
          return key.decryptOaep(ciphertext, label);
        },
      };
    },
  };
}
