/** Resolves when all have settled, or after `milliseconds`. */
export async function settleWithin(
  milliseconds: number,
  promises: readonly Promise<unknown>[],
): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([Promise.all(promises), late]);
  clearTimeout(timer);
}
