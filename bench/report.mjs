// Writes the tables in docs/benchmarks/README.md and the charts beside it from the JSON files there.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { short, table } from './lib/table.mjs';
import { judge } from './lib/targets.mjs';
import { installThirdParty } from './lib/third-party.mjs';

const folder = new URL('../docs/benchmarks/', import.meta.url);
installThirdParty();
const { barChart, lineChart } = await import('./third-party/charts.mjs');

const sections = { peers: reportPeers, backends: reportBackends, curves: reportCurves };
let text = readFileSync(new URL('README.md', folder), 'utf8');
for (const [name, report] of Object.entries(sections)) {
  const file = new URL(`${name}.json`, folder);
  if (!existsSync(file)) {
    console.log(`${name}.json is not there: its part stays as it is`);
    continue;
  }
  for (const [mark, content] of Object.entries(report(JSON.parse(readFileSync(file, 'utf8')))))
    text = replaceBetween(text, mark, content);
}
writeFileSync(new URL('README.md', folder), text);

function reportPeers({ about, contenders, results, failures }) {
  const names = Object.keys(contenders);
  chartPeers(results);
  return {
    targets: targetTable(results),
    peers: [
      where(about),
      table(
        ['', ...names],
        results.map((row) => [
          `${row.title}, ${row.unit}`,
          ...names.map((name) => withSpread(row.contenders[name])),
        ]),
      ),
      versions(contenders),
      ...failures.map(({ contender, test, reason }) => `Not measured: ${contender} in ${test} (${reason}).`),
    ].join('\n\n'),
  };
}

function targetTable(results) {
  const judged = judge(results);
  const rows = judged.map(({ title, of, against, least, most, ratio, isReached }) => [
    `${of}: ${title}`,
    against,
    least === undefined ? `at most ${most}` : `at least ${least}`,
    ratio === undefined ? 'not measured' : ratio.toFixed(2),
    ratio === undefined ? '' : isReached ? 'reached' : '**missed**',
  ]);
  const reached = judged.filter(({ isReached }) => isReached).length;
  const heading = `${reached} of ${judged.length} targets are reached.`;
  return `${heading}\n\n${table(['work', 'against', 'target', 'ratio', ''], rows)}`;
}

function chartPeers(results) {
  const shown = ['net', 'tls', 'tls-plain', 'ws', 'secret-stream', 'libp2p-noise', 'sealed', 'classic'];
  const rows = (...ids) => ids.map((id) => results.find((row) => row.id === id)).filter(Boolean);
  const chart = (file, title, unit, chosen, more = {}) => {
    if (chosen.length === 0) return;
    const series = shown
      .filter((name) => chosen.some(({ contenders }) => contenders[name]))
      .map((name) => ({ name, values: chosen.map(({ contenders }) => contenders[name]?.median) }));
    write(file, barChart({ title, unit, categories: chosen.map((row) => row.title), series, ...more }));
  };
  chart('peers-messages', 'Messages of 64 bytes', 'thousand messages/s', rows('await-64', 'burst-64'));
  chart('peers-throughput', 'Throughput', 'MB/s', rows('stream-1k', 'stream-64k', 'stream-1m'));
  chart('peers-handshakes', 'Connect, first echo, close', 'connections/s', rows('connect-1', 'connect-32'));
  chart('peers-latency', 'There and back, median', 'microseconds, less is better', rows('ping-64'));
  chart('peers-memory', 'Server memory per idle connection', 'KiB, less is better', rows('idle'));
}

function reportBackends({ about, primitives, connections }) {
  chartBackends(primitives);
  const names = Object.keys(primitives[0]?.perSecond ?? {});
  const rate = ({ size, perSecond }, name) => {
    const { median } = perSecond[name];
    return size === undefined ? `${short(median)} /s` : `${short((median * size) / 1e6)} MB/s`;
  };
  const label = ({ id, size }) => (size === undefined ? id : `${id}, ${bytes(size)}`);
  const rows = primitives.map((row) => [label(row), ...names.map((name) => rate(row, name))]);
  const content = { primitives: `${where(about)}\n\n${table(['', ...names], rows)}` };
  if (connections === undefined) return content;
  chartConnections(connections.results);
  const contenders = Object.keys(connections.contenders);
  const lines = connections.results.map((row) => [
    `${row.title}, ${row.unit}`,
    ...contenders.map((name) => withSpread(row.contenders[name])),
  ]);
  return { ...content, connections: table(['', ...contenders], lines) };
}

function chartBackends(primitives) {
  for (const [file, id] of [
    ['backends-gcm', 'AES-256-GCM seal'],
    ['backends-ecb', 'AES-256-ECB encrypt'],
  ]) {
    const rows = primitives.filter((row) => row.id === id);
    if (rows.length === 0) continue;
    const series = Object.keys(rows[0].perSecond).map((name) => ({
      name,
      values: rows.map(({ size, perSecond }) => (perSecond[name].median * size) / 1e6),
    }));
    const points = rows.map(({ size }) => size);
    const axes = { unit: 'MB/s', xName: 'bytes a call', points, isLogarithmic: true };
    write(file, lineChart({ title: id, ...axes, series }));
  }
  const rsa = primitives.filter(({ id }) => /^RSA-2048 (OAEP|PSS)/.test(id));
  if (rsa.length === 0) return;
  const series = Object.keys(rsa[0].perSecond).map((name) => ({
    name,
    values: rsa.map(({ perSecond }) => perSecond[name].median),
  }));
  const categories = rsa.map(({ id }) => id.replace('RSA-2048 ', ''));
  const axes = { unit: 'a second', categories, isLogarithmic: true };
  write('backends-rsa', barChart({ title: 'RSA, 2048 bits', ...axes, series }));
}

function chartConnections(results) {
  const rows = results.filter(({ unit }) => unit === 'MB/s');
  if (rows.length === 0) return;
  const series = Object.keys(rows[0].contenders).map((name) => ({
    name,
    values: rows.map(({ contenders }) => contenders[name]?.median),
  }));
  const categories = rows.map(({ title }) => `messages of ${title}`);
  const axes = { unit: 'MB/s', categories, isLogarithmic: true };
  write('backends-connections', barChart({ title: 'Connections by backend', ...axes, series }));
}

function reportCurves({ about, curves }) {
  const parts = curves.map((curve) => {
    chartCurve(curve);
    return curveTable(curve);
  });
  return { curves: [where(about), ...parts].join('\n\n') };
}

function curveTable({ title, points }) {
  const names = Object.keys(points[0].contenders);
  const figures = Object.keys(points[0].contenders[names[0]]);
  const columns = figures.flatMap((figure) => names.map((name) => ({ figure, name })));
  const rows = points.map(({ at, contenders }) => [
    title.endsWith('bytes') ? bytes(at) : String(at),
    ...columns.map(({ figure, name }) => short(contenders[name][figure].median)),
  ]);
  return table([title, ...columns.map(({ figure, name }) => `${name}: ${figure}`)], rows);
}

function chartCurve({ id, title, points }) {
  const names = Object.keys(points[0].contenders);
  for (const [i, unit] of Object.keys(points[0].contenders[names[0]]).entries()) {
    const series = names.map((name) => ({
      name,
      values: points.map(({ contenders }) => contenders[name][unit].median),
    }));
    const axes = {
      unit,
      xName: title,
      points: points.map(({ at }) => at),
      isLogarithmic: unit.startsWith('microseconds'),
    };
    write(`curve-${id}-${i + 1}`, lineChart({ title: `${unit} by ${title}`, ...axes, series }));
  }
}

function where({ date, library, node, openssl, processor, cores, memoryGiB, system, loadBefore, rounds }) {
  const machine = `${processor}, ${cores} cores, ${memoryGiB} GiB, ${system}`;
  return (
    `${date} UTC; secure-sockets ${library}, Node ${node}, OpenSSL ${openssl}; ${machine}; ` +
    `load before ${loadBefore}; median of ${rounds} rounds.`
  );
}

function versions(contenders) {
  const all = Object.values(contenders).flatMap(({ versions = {} }) => Object.entries(versions));
  return all.length === 0
    ? ''
    : `Versions: ${all.map(([name, version]) => `${name} ${version}`).join(', ')}.`;
}

function withSpread(entry) {
  if (entry === undefined) return '';
  return `${short(entry.median)} ±${Math.round(50 * entry.spread)}%`;
}

function bytes(size) {
  if (size >= 2 ** 20) return `${size / 2 ** 20} MiB`;
  return size >= 1024 ? `${size / 1024} KiB` : `${size} B`;
}

function write(name, svg) {
  writeFileSync(new URL(`${name}.svg`, folder), svg);
}

function replaceBetween(text, mark, content) {
  const [begin, end] = [`<!-- ${mark} -->`, `<!-- end of ${mark} -->`];
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`docs/benchmarks/README.md has no ${begin} … ${end}`);
  return `${text.slice(0, from + begin.length)}\n\n${content}\n\n${text.slice(to)}`;
}
