/** Runs after the work in hand, promise continuations included, and before any input or output: where a tick's messages leave. */
export const afterTick: (work: () => void) => void =
  typeof process === 'object' && typeof process.nextTick === 'function'
    ? (work) => process.nextTick(work)
    : (work) => void setTimeout(work, 0);

/** Runs when the event loop has served everybody else once. */
export const onNextLoop: (work: () => void) => void =
  typeof setImmediate === 'function' ? (work) => void setImmediate(work) : (work) => void setTimeout(work, 0);
