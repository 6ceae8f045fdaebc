import { defineConfig } from 'vitest/config';
import common from './vitest.config.js';

/** What `npm run mutation` tries on every mutant of src/core: the tests that need no socket. */
export default defineConfig({
  ...common,
  test: { ...common.test, include: ['test/core/**/*.test.ts', 'test/faults/private-keys.test.ts'] },
});
