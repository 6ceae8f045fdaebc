/**
 * What the node backend is to reach: `of` against `against` in the row of peers.json. `least` where more is better, `most`
 * where less is.
 */
export const targets = [
  { row: 'await-64', of: 'sealed', against: 'tls', least: 0.9 },
  { row: 'await-64', of: 'sealed', against: 'tls-plain', least: 2 },
  { row: 'await-64', of: 'sealed', against: 'ws', least: 3 },
  { row: 'await-64', of: 'sealed', against: 'secret-stream', least: 20 },
  { row: 'stream-1k', of: 'sealed', against: 'tls', least: 1.15 },
  { row: 'stream-64k', of: 'sealed', against: 'tls', least: 1.3 },
  { row: 'stream-1m', of: 'sealed', against: 'tls', least: 1.35 },
  { row: 'cpu-1m', of: 'sealed', against: 'tls', most: 0.75 },
  { row: 'ping-64', of: 'sealed', against: 'tls', most: 1.2 },
  { row: 'connect-1', of: 'sealed', against: 'tls', least: 1.5 },
  { row: 'connect-32', of: 'sealed', against: 'tls', least: 1.5 },
  { row: 'idle', of: 'sealed', against: 'tls', most: 0.45 },
  { row: 'await-64', of: 'classic', against: 'tls', least: 0.4 },
  { row: 'stream-64k', of: 'classic', against: 'tls', least: 1.5 },
  { row: 'stream-1m', of: 'classic', against: 'tls', least: 1.6 },
];

/** Each target with the ratio that results show, and whether it is reached; `undefined` if it was not measured. */
export function judge(results) {
  return targets.map((target) => {
    const row = results.find(({ id }) => id === target.row);
    const ours = row?.contenders[target.of];
    const theirs = row?.contenders[target.against];
    if (!ours || !theirs) return { ...target, title: row?.title ?? target.row };
    const ratio = ours.median / theirs.median;
    const isReached = target.least === undefined ? ratio <= target.most : ratio >= target.least;
    return { ...target, title: row.title, ratio, isReached };
  });
}
