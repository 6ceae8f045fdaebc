import { table } from './table.mjs';

/** The maximum number of points of the chart. */
const POINTS = 60;

/** The part of the page that comes from soak.json, written by `npm run soak -- --output`. */
export function reportSoak(account, { lineChart }) {
  const { memory, opened, endings, messages, resumed, offences, seconds, connections, seed } = account;
  const held = Object.values(opened).reduce((sum, count) => sum + count, 0);
  const ends = Object.values(endings).reduce((sum, count) => sum + count, 0);
  const step = Math.ceil(memory.length / POINTS);
  const points = memory.filter((_, i) => i % step === 0);
  const rows = [
    ['how long, connections at once, seed', `${seconds} s, ${connections}, ${seed}`],
    ['pairs of backends by protocol and carrier', String(Object.keys(opened).length)],
    ['conversations held to their end', String(held)],
    ['clients that resumed', String(resumed)],
    ['messages received and checked', String(messages)],
    ['ends seen, both ends of each connection', String(ends)],
    ...Object.entries(endings).map(([ending, count]) => [`… ${ending}`, String(count)]),
    ['messages lost, doubled, moved or changed; errors without a code', String(offences.length)],
  ];
  const svg = lineChart({
    title: 'memory during the soak',
    unit: 'MiB',
    xName: 'seconds',
    points: points.map(({ seconds: at }) => at),
    series: [
      { name: 'heap and buffers after a collection', values: points.map(({ heapMiB }) => heapMiB) },
      { name: 'resident', values: points.map(({ residentMiB }) => residentMiB) },
    ],
    isLogarithmic: false,
    isLinear: true,
  });
  return [
    {
      mark: 'soak',
      text: table(['', ''], rows),
      charts: [{ name: 'soak-memory', alt: 'memory during the soak', svg }],
    },
  ];
}
