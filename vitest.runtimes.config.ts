import { fileURLToPath } from 'node:url';
import { defineConfig, mergeConfig } from 'vitest/config';
import base from './vitest.config.js';

/** What runs on Bun and Deno too, started by scripts/test-runtimes.mjs. */
export default mergeConfig(
  { ...base, test: { ...base.test, include: [] } },
  defineConfig({
    test: {
      include: [
        'test/{admitted-clients,attach,authorized-keys,bun-web-socket,check-transport,connecting}.test.ts',
        'test/{drain,duplex,external-keys,http-over-connections,interop}.test.ts',
        'test/{large-messages,lifecycle,message-port,options}.test.ts',
        'test/{reconnecting,server-close,serving,sessions,stalled-streams,streams,trust,unix-sockets}.test.ts',
        'test/{web-socket,web-streams,writes}.test.ts',
        'test/{identity,known-hosts,proxy,resumption,socket}{,-*}.test.ts',
        'test/backends/{ml-kem-later,symmetric,web-client}.test.ts',
        'test/connection/{batches,heartbeat}.test.ts',
        'test/faults/{budget,endings,handed-in,handed-in-backends,handed-in-transports,handshakes}.test.ts',
        'test/faults/{private-operations,secrets}.test.ts',
        'test/faults/{admission,cuts,turns}.test.ts',
      ],
      setupFiles: [fileURLToPath(new URL('./test/runtimes/setup.ts', import.meta.url))],
    },
  }),
);
