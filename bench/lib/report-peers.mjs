import { where, withSpread } from './report-text.mjs';
import { short, table } from './table.mjs';
import { judge } from './targets.mjs';

/** The tables of the page, one a subject; each has the contenders that took part as its rows. */
const subjects = {
  'Messages one way': [
    'await-64',
    'burst-64',
    'await-64-cold',
    'stream-1k',
    'stream-64k',
    'stream-1m',
    'cpu-1m',
  ],
  'Messages there and back': [
    ...['ping-64', 'ping-64-p99', 'ping-64-cold', 'ping-64-cold-p99', 'active-10', 'active-10-p99'],
    ...['active-100', 'active-100-p99', 'active-1000', 'active-1000-p99'],
  ],
  Connections: ['connect-1', 'connect-32', 'connect-cold', 'first-answer', 'idle'],
};

/** The parts of the page that come from peers.json. */
export function reportPeers({ about, contenders, results, failures }, draw) {
  const names = Object.keys(contenders);
  const text = [
    where(about),
    ...Object.entries(subjects).flatMap(([title, ids]) => tablesOf(title, pick(results, ids), names)),
    versions(contenders),
    ...failures.map(({ contender, test, reason }) => `Not measured: ${contender} in ${test} (${reason}).`),
  ].join('\n\n');
  return [
    { mark: 'targets', text: targetText(results) },
    { mark: 'peers', text, charts: chartsOf(results, draw) },
  ];
}

function pick(results, ids) {
  return ids.flatMap((id) => results.filter((row) => row.id === id));
}

/** The figures of a subject, and the processor time behind those that have it. */
function tablesOf(title, rows, names) {
  if (rows.length === 0) return [];
  const timed = rows.filter(({ contenders }) =>
    Object.values(contenders).some(({ cpuMicroseconds }) => cpuMicroseconds !== undefined),
  );
  const figures = tableOf(rows, names, ({ title: what, unit }) => `${what}, ${unit}`, withSpread);
  if (timed.length === 0) return [`### ${title}`, figures];
  const heading = 'Processor time of both ends for one of them, in microseconds:';
  const times = tableOf(
    timed,
    names,
    ({ title: what }) => what,
    (entry) => short(entry?.cpuMicroseconds),
  );
  return [`### ${title}`, figures, heading, times];
}

function tableOf(rows, names, label, cell) {
  const measured = names.filter((name) => rows.some(({ contenders }) => contenders[name]));
  return table(
    ['', ...rows.map(label)],
    measured.map((name) => [name, ...rows.map(({ contenders }) => cell(contenders[name]))]),
  );
}

function targetText(results) {
  const verdicts = judge(results);
  const rows = verdicts.map(({ title, of, against, min, max, ratio, cpuRatio, isReached }) => [
    `${of}: ${title}`,
    against,
    min === undefined ? `at most ${max}` : `at least ${min}`,
    ratio === undefined ? 'not measured' : ratio.toFixed(2),
    cpuRatio > 0 ? cpuRatio.toFixed(2) : '',
    ratio === undefined ? '' : isReached ? 'reached' : '**missed**',
  ]);
  const reached = verdicts.filter(({ isReached }) => isReached).length;
  const head = ['work', 'against', 'target', 'ratio', 'of processor time', ''];
  return `${reached} of ${verdicts.length} targets are reached.\n\n${table(head, rows)}`;
}

function chartsOf(results, { barChart }) {
  const shown = ['net', 'tls', 'tls-plain', 'ws', 'secret-stream', 'libp2p-noise', 'sealed', 'classic'];
  return [
    ['messages', 'Messages of 64 bytes', 'thousand messages/s', 'await-64', 'burst-64'],
    ['throughput', 'Throughput', 'MB/s', 'stream-1k', 'stream-64k', 'stream-1m'],
    ['handshakes', 'Connect, first echo, close', 'connections/s', 'connect-1', 'connect-32'],
    ['latency', '64 bytes there and back, median', 'microseconds, less is better', 'ping-64'],
    ['memory', 'Server memory per idle connection', 'KiB, less is better', 'idle'],
  ].flatMap(([name, title, unit, ...ids]) => {
    const rows = results.filter(({ id }) => ids.includes(id));
    if (rows.length === 0) return [];
    const series = shown
      .filter((one) => rows.some(({ contenders }) => contenders[one]))
      .map((one) => ({ name: one, values: rows.map(({ contenders }) => contenders[one]?.median) }));
    const categories = rows.map((row) => row.title);
    return [{ name: `peers-${name}`, alt: title, svg: barChart({ title, unit, categories, series }) }];
  });
}

function versions(contenders) {
  const all = Object.values(contenders).flatMap((one) => Object.entries(one.versions ?? {}));
  const named = new Set(all.map(([name, version]) => `${name} ${version}`));
  return `Versions: ${[...named].join(', ') || 'nothing but Node'}.`;
}
