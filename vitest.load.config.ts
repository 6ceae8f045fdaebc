import { defineConfig } from 'vitest/config';
import common from './vitest.config.js';

/** Tests of time and memory, one file after the other, in a process of its own each: npm run test:load */
export default defineConfig({
  ...common,
  test: {
    ...common.test,
    include: ['test/load/*.load.ts', 'test/load/*.by-hand.ts'],
    pool: 'forks',
    fileParallelism: false,
    execArgv: ['--expose-gc'],
    testTimeout: 240_000,
    // what a machine shared with others measures may be wrong once; a defence that is missing fails every time
    retry: 2,
  },
});
