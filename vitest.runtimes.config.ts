import { fileURLToPath } from 'node:url';
import { defineConfig, mergeConfig } from 'vitest/config';
import base from './vitest.config.js';

const { bun, deno } = process.versions;

/**
 * What of the tests is of no use on Bun and Deno. The command on them is driven from Node, by test/runtimes.test.ts: on
 * Deno (2.9.6) a child process that was sent a signal is reported as killed by it, whatever its exit code.
 */
const ofNode = [
  'test/{cli,docs,browser,sealed-python,load,fuzz}/**',
  'test/{cli,chat,tunnel,tunnel-programs,real-programs,haproxy,nginx,wireshark,container}.test.ts',
  // the package, its documents, types, sizes and pages
  'test/{api,imports,package,readme-links,repository,sizes,types,bench,examples,example-servers}.test.ts',
  'test/{browser,browser-bundle,jsr,runtimes,workerd}.test.ts',
  // long, and nothing of the platform in it
  'test/{fuzz,message-ownership,check-transport}.test.ts',
  'test/faults/{budget,handed-in,handed-in-backends,handed-in-transports}.test.ts',
  'test/core/{sealed/laws,classic/pickle}.test.ts',
  'test/faults/soak.test.ts',
  'test/backends/rsa.test.ts',
  // handles of Node's sockets, its garbage collector's flags, and kinds of keys that its OpenSSL makes
  'test/{direct-reads,hidden-reset}.test.ts',
  'test/backends/generated-keys.test.ts',
  'test/key-kinds.test.ts',
];

/** What Bun (1.4.5) has not. */
const notOnBun = [
  // ChaCha20-Poly1305 in node:crypto, which is what the backends are compared with
  'test/backends/{sodium,wycheproof}.test.ts',
  // RSA keys of a number of bits that 128 does not divide; its Web Cryptography makes keys on the main thread
  'test/backends/rsa-keys.test.ts',
];

/** What Deno (2.9.6) has otherwise. */
const notOnDeno = [
  // its programs are given by `--eval`, which takes no ES module there
  'test/exit.test.ts',
  // the tasks of a browser, for which Deno's message ports come too early
  'test/connection/flush-schedule.test.ts',
];

/** What runs on Bun and Deno too, started by scripts/test-runtimes.mjs. */
export default mergeConfig(
  { ...base, test: { ...base.test, include: [] } },
  defineConfig({
    test: {
      // both run at the same time
      maxWorkers: 1,
      include: ['test/**/*.test.ts'],
      exclude: [...ofNode, ...(bun ? notOnBun : []), ...(deno ? notOnDeno : [])],
      setupFiles: [fileURLToPath(new URL('./test/runtimes/setup.ts', import.meta.url))],
    },
  }),
);
