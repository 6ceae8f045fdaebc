import { where, withSpread } from './report-text.mjs';
import { short, table } from './table.mjs';
import { judge } from './targets.mjs';

/** The parts of the page that come from peers.json. */
export function reportPeers({ about, contenders, results, failures }, draw) {
  const names = Object.keys(contenders);
  const rows = (chosen, label, cell) =>
    table(
      ['', ...names],
      chosen.map((row) => [label(row), ...names.map((name) => cell(row.contenders[name]))]),
    );
  const timed = results.filter((row) => row.contenders.sealed?.cpuMicroseconds !== undefined);
  const text = [
    where(about),
    rows(results, ({ title, unit }) => `${title}, ${unit}`, withSpread),
    'Processor time of both ends for one message, exchange or connection, in microseconds:',
    rows(
      timed,
      ({ title }) => title,
      (entry) => short(entry?.cpuMicroseconds),
    ),
    versions(contenders),
    ...failures.map(({ contender, test, reason }) => `Not measured: ${contender} in ${test} (${reason}).`),
  ].join('\n\n');
  return [
    { mark: 'targets', text: targetText(results) },
    { mark: 'peers', text, charts: chartsOf(results, draw) },
  ];
}

function targetText(results) {
  const judged = judge(results);
  const rows = judged.map(({ title, of, against, min, max, ratio, isReached }) => [
    `${of}: ${title}`,
    against,
    min === undefined ? `at most ${max}` : `at least ${min}`,
    ratio === undefined ? 'not measured' : ratio.toFixed(2),
    ratio === undefined ? '' : isReached ? 'reached' : '**missed**',
  ]);
  const reached = judged.filter(({ isReached }) => isReached).length;
  const head = ['work', 'against', 'target', 'ratio', ''];
  return `${reached} of ${judged.length} targets are reached.\n\n${table(head, rows)}`;
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
  return `Versions: ${all.map(([name, version]) => `${name} ${version}`).join(', ') || 'nothing but Node'}.`;
}
