import { fileURLToPath } from 'node:url';
import { defineConfig, mergeConfig } from 'vitest/config';
import base from './vitest.config.js';

/** What runs on Bun and Deno too, started by scripts/test-runtimes.mjs. */
export default mergeConfig(
  { ...base, test: { ...base.test, include: [] } },
  defineConfig({
    test: {
      include: [
        'test/{attach,authorized-keys,batches,check-transport,drain,external-keys,heartbeat,identity,interop}.test.ts',
        'test/{known-hosts,large-messages,lifecycle,options,proxy,reconnecting,resumption,server-close}.test.ts',
        'test/{sessions,socket,streams,trust,unix-sockets,web-socket,writes}.test.ts',
        'test/backends/symmetric.test.ts',
        'test/faults/{budget,endings,handed-in,handshakes,secrets}.test.ts',
      ],
      setupFiles: [fileURLToPath(new URL('./test/runtimes/setup.ts', import.meta.url))],
    },
  }),
);
