/**
 * Settles as the promise, or rejects with the error of `late` if that takes longer than `milliseconds`. `keepsProcess`:
 * whether the process stays for the time alone.
 */
export async function inTime<Result>(
  promise: Promise<Result>,
  milliseconds: number,
  late: () => Error,
  keepsProcess = true,
): Promise<Result> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), milliseconds);
    if (!keepsProcess) timer.unref?.();
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Settles as the promise, or resolves to `undefined` if that takes longer than `milliseconds`. `keepsProcess`: whether the
 * process stays for the time alone.
 */
export async function settleWithin<Result>(
  milliseconds: number,
  promise: Promise<Result>,
  keepsProcess = true,
): Promise<Result | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), milliseconds);
    if (!keepsProcess) timer.unref?.();
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
