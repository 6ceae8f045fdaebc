import { defineConfig } from 'vitest/config';
import common from './vitest.config.js';

/**
 * Tests of time and memory, each file in a process of its own: npm run test:load. First those of memory, which do not mind
 * each other, then those of time, one after the other.
 */
export default defineConfig({
  ...common,
  test: {
    ...common.test,
    pool: 'forks',
    execArgv: ['--expose-gc'],
    testTimeout: 240_000,
    // what a machine shared with others measures may be wrong once; a defence that is missing fails every time
    retry: 2,
    projects: [
      {
        extends: true,
        test: {
          name: 'memory',
          include: ['test/load/{memory,budget,soak}.load.ts'],
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'time',
          include: ['test/load/{attacks,unauthenticated}.load.ts', 'test/load/*.by-hand.ts'],
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
