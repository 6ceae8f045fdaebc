// The tests of vitest.runtimes.config.ts are of no use on another runtime than the one that was asked for.
const { EXPECTED_RUNTIME = '' } = process.env;
if (process.versions[EXPECTED_RUNTIME] === undefined)
  throw new Error(`these tests are to run on '${EXPECTED_RUNTIME}', not on ${process.execPath}`);
