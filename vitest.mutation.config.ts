import { basename } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import common from './vitest.config.js';

/** The tests that take seconds, the longest last. What they kill the others have mostly killed before. */
const slow = [
  ...['slow-link.test.ts', 'handshake-scheduler.test.ts', 'private-key-queue.test.ts', 'batches.test.ts'],
  ...['scripts.test.ts', 'frames.test.ts', 'pickle.test.ts', 'vectors.test.ts'],
  ...['handshake-trust.test.ts', 'handshake.test.ts', 'laws.test.ts'],
];

/** A mutant is over with the first test that fails, so the quick ones go first. */
class QuickFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return files.sort((a, b) => rank(a) - rank(b) || a.moduleId.localeCompare(b.moduleId));
  }
}

function rank({ moduleId }: TestSpecification): number {
  const place = slow.indexOf(basename(moduleId));
  // the tests of one part know more about it than those of whole handshakes
  return place < 0 && !moduleId.includes('/sealed/') ? -2 : place;
}

/** What `npm run mutation` tries on every mutant of src/core and src/connection: their own tests. */
export default defineConfig({
  ...common,
  test: {
    ...common.test,
    include: ['test/core/**/*.test.ts', 'test/connection/**/*.test.ts'],
    // One worker for all files of a mutant: most of the time would go into loading the backends again for each.
    isolate: false,
    setupFiles: ['./test/helpers/equal-bytes.ts', './vitest.mutation.setup.ts'],
    sequence: { sequencer: QuickFirst },
    // Told to tests that repeat themselves.
    env: { MUTATION: '1' },
  },
});
