import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^secure-sockets$/, replacement: at('./src/index.ts') },
      { find: /^secure-sockets\/testing$/, replacement: at('./src/testing/index.ts') },
      { find: /^secure-sockets\/backends\/(.*)$/, replacement: `${at('./backends')}/$1.ts` },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: [at('./test/helpers/equal-bytes.ts')],
    testTimeout: 30_000,
    // An end to what hangs, no measure of anything: a loaded machine may take its time.
    expect: { poll: { timeout: 10_000 } },
    // Concurrent tests are pairs of processes that make RSA keys: more of them at once only wait for each other.
    maxConcurrency: 3,
    // Two even on two cores, where vitest would start one: most tests wait for other processes or for a time.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    coverage: { provider: 'v8', include: ['src/**', 'backends/**'] },
  },
});
