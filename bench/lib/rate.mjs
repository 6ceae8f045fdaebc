/** Operations per second, measured for about `milliseconds` after a warm-up. */
export async function ratePerSecond({ operation, isAsync = false }, milliseconds) {
  const run = isAsync ? repeatAwaiting : repeat;
  // the first ones warm up the code and show how many to do between two readings of the clock
  const first = await run(operation, 1, milliseconds / 4);
  const batch = Math.max(1, Math.round((first * milliseconds) / 20_000));
  return run(operation, batch, milliseconds);
}

async function repeat(operation, batch, milliseconds) {
  const begin = performance.now();
  let count = 0;
  let elapsed;
  do {
    for (let i = 0; i < batch; i++) operation();
    count += batch;
    elapsed = performance.now() - begin;
  } while (elapsed < milliseconds);
  return (1000 * count) / elapsed;
}

async function repeatAwaiting(operation, batch, milliseconds) {
  const begin = performance.now();
  let count = 0;
  let elapsed;
  do {
    for (let i = 0; i < batch; i++) await operation();
    count += batch;
    elapsed = performance.now() - begin;
  } while (elapsed < milliseconds);
  return (1000 * count) / elapsed;
}
