/**
 * Each class against the first one, sample by sample: the median of the times and of the differences, and how far the
 * count of slower samples is from one half, in standard deviations (sign test). Beyond about 3.5 there is a difference.
 */
export function summarize(names: readonly string[], times: readonly (readonly number[])[]): string[] {
  const [first = []] = times;
  return names.map((name, i) => {
    const own = times[i] ?? [];
    const differences = own.map((time, round) => time - (first[round] ?? 0));
    const figures = [
      `median ${micro(median(own))} us`,
      `difference ${micro(median(differences))} us`,
      `z ${i === 0 ? '-' : signTest(differences).toFixed(2)}`,
    ];
    return `  ${name.padEnd(30)} ${figures.join(', ')}`;
  });
}

/** How many standard deviations the share of positive numbers is away from one half. */
function signTest(differences: readonly number[]): number {
  const decided = differences.filter((difference) => difference !== 0);
  const positive = decided.filter((difference) => difference > 0).length;
  return decided.length === 0 ? 0 : (2 * positive - decided.length) / Math.sqrt(decided.length);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

const micro = (nanoseconds: number): string => (nanoseconds / 1000).toFixed(2);
