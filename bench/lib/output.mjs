import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Writes results as JSON that is easy to read and compare: lists of numbers on one line, four digits. */
export function writeResults(file, results) {
  if (file === '-') return;
  mkdirSync(dirname(file), { recursive: true });
  const round = (_, value) =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
  const text = JSON.stringify(results, round, 2).replaceAll(/\[\s+([\d.,\s-]+?)\s+\]/g, (_, list) => {
    return `[${list.split(/,\s+/).join(', ')}]`;
  });
  writeFileSync(file, `${text}\n`);
  console.error(`written to ${file}`);
}
