/** The two ways of reading each, with promises and with callbacks; the faster one of a row counts. */
const tls = ['tls', 'tls-callback'];
const ws = ['ws', 'ws-callback'];
const secretStream = ['secret-stream', 'secret-stream-callback'];
/** This package's native backends; the faster one of a row counts. */
const best = ['sealed', 'sealed-sodium'];

/**
 * The targets: the ratio of `of` to `against` in a row of peers.json; of several names the fastest counts. `min`
 * where more is better, `max` where less is.
 */
export const targets = [
  ...both('active-100', tls, { min: 1, node: 0.65 }),
  ...both('active-10', tls, { min: 1, node: 0.65 }),
  ...both('active-100-p99', tls, { max: 1.3, node: 2 }),
  ...both('active-10-p99', tls, { max: 1.3, node: 2 }),
  ...both('ping-64', tls, { max: 1, node: 1.25 }),
  ...both('ping-64-p99', tls, { max: 1.5, node: 2 }),
  ...both('await-64', tls, { min: 0.9, node: 0.9 }),
  { row: 'await-64', of: 'sealed-batches', against: tls, min: 1.3 },
  { row: 'await-64', of: 'sealed-sodium-batches', against: tls, min: 1.3 },
  { row: 'await-64-cold', of: 'sealed-sodium', against: tls, min: 0.8 },
  { row: 'await-64', of: 'sealed', against: 'tls-plain', min: 2 },
  { row: 'await-64', of: 'sealed', against: ws, min: 3 },
  { row: 'await-64', of: 'sealed', against: secretStream, min: 20 },
  { row: 'stream-1k', of: best, against: tls, min: 1.15 },
  { row: 'stream-64k', of: best, against: tls, min: 1.3 },
  { row: 'stream-1m', of: best, against: tls, min: 1.35 },
  { row: 'cpu-1m', of: best, against: tls, max: 0.75 },
  ...both('connect-32', tls, { min: 1, node: 0.85 }),
  { row: 'connect-32', of: 'sealed-sodium-resumed', against: 'tls-resumed', min: 1 },
  { row: 'connect-32', of: 'sealed-sodium-resumed', against: tls, min: 2 },
  { row: 'connect-cold', of: 'sealed-sodium', against: tls, min: 0.85 },
  // a full handshake of sealed has one round trip more than TLS 1.3, which has two with its first answer
  { row: 'first-answer', of: 'sealed-resumed', against: tls, max: 1.05 },
  { row: 'first-answer', of: 'sealed', against: tls, max: 1.55 },
  // noble had AES alone once
  { row: 'await-64', of: 'sealed-noble', against: 'sealed-noble-aes', min: 1.5 },
  { row: 'stream-1k', of: 'sealed-noble', against: 'sealed-noble-aes', min: 2.5 },
  { row: 'stream-64k', of: 'sealed-noble', against: 'sealed-noble-aes', min: 2.5 },
  { row: 'idle', of: 'sealed', against: tls, max: 0.45 },
  { row: 'await-64', of: 'classic', against: tls, min: 0.4 },
  { row: 'stream-64k', of: 'classic', against: tls, min: 1.5 },
  { row: 'stream-1m', of: 'classic', against: tls, min: 1.6 },
];

function both(row, against, { node, ...bound }) {
  const [kind] = Object.keys(bound);
  return [
    { row, of: 'sealed-sodium', against, ...bound },
    { row, of: 'sealed', against, [kind]: node },
  ];
}

/** Whether a target is about a contender in one of these rows. */
export function isJudged(ids, name) {
  return targets.some(({ row, of, against }) => ids.includes(row) && [of, against].flat().includes(name));
}

/**
 * Each target with the ratio that results show, that of the processor times behind it (`NaN` where there are none), and
 * whether it is reached; `undefined` if it was not measured.
 */
export function judge(results) {
  return targets.map((target) => {
    const row = results.find(({ id }) => id === target.row);
    const ours = fastest(row, target.of);
    const theirs = fastest(row, target.against);
    const told = {
      ...target,
      of: ours?.name ?? nameOf(target.of),
      against: theirs?.name ?? nameOf(target.against),
    };
    if (!ours || !theirs) return { ...told, title: row?.title ?? target.row };
    const ratio = ours.median / theirs.median;
    const isReached = target.min === undefined ? ratio <= target.max : ratio >= target.min;
    const cpuRatio = row.contenders[ours.name].cpuMicroseconds / row.contenders[theirs.name].cpuMicroseconds;
    return { ...told, title: row.title, ratio, cpuRatio, isReached };
  });
}

function fastest(row, names) {
  const measured = [names]
    .flat()
    .filter((name) => row?.contenders[name] !== undefined)
    .map((name) => ({ name, median: row.contenders[name].median }));
  const worth = ({ median }) => (row.better === 'more' ? median : -median);
  return measured.sort((a, b) => worth(b) - worth(a))[0];
}

function nameOf(names) {
  return [names].flat().join(' or ');
}
