import { afterEach } from 'vitest';

const memory = globalThis as typeof globalThis & { mutantIsDead?: boolean };

// One failed test is enough: the files behind it need not even be loaded.
if (memory.mutantIsDead) throw new Error('another file has killed this mutant');

afterEach(({ task }) => {
  if (task.result?.state === 'fail') memory.mutantIsDead = true;
});
