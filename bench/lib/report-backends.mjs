import { bytes, where, withSpread } from './report-text.mjs';
import { short, table } from './table.mjs';

/** The parts of the page that come from backends.json. */
export function reportBackends({ about, primitives, connections }, draw) {
  const parts = [];
  if (primitives.length > 0)
    parts.push({
      mark: 'primitives',
      text: `${where(about)}\n\n${primitiveTable(primitives)}`,
      charts: primitiveCharts(primitives, draw),
    });
  if (connections)
    parts.push({
      mark: 'connections',
      text: connectionTable(connections),
      charts: [connectionChart(connections.results, draw)],
    });
  return parts;
}

function primitiveTable(primitives) {
  const names = Object.keys(primitives[0].perSecond);
  const rate = ({ size, perSecond }, name) => {
    const { median } = perSecond[name];
    return size === undefined ? `${short(median)} /s` : `${short((median * size) / 1e6)} MB/s`;
  };
  const label = ({ id, size }) => (size === undefined ? id : `${id}, ${bytes(size)}`);
  const rows = primitives.map((row) => [label(row), ...names.map((name) => rate(row, name))]);
  return table(['', ...names], rows);
}

function primitiveCharts(primitives, { barChart, lineChart }) {
  const series = (rows, figure) =>
    Object.keys(rows[0].perSecond).map((name) => ({ name, values: rows.map((row) => figure(row, name)) }));
  const bySize = (name, id) => {
    const rows = primitives.filter((row) => row.id === id);
    if (rows.length === 0) return [];
    const axes = {
      unit: 'MB/s',
      xName: 'bytes a call',
      points: rows.map(({ size }) => size),
      isLogarithmic: true,
    };
    const values = series(rows, ({ size, perSecond }, one) => (perSecond[one].median * size) / 1e6);
    return [{ name, alt: `${id} by size`, svg: lineChart({ title: id, ...axes, series: values }) }];
  };
  const rsa = primitives.filter(({ id }) => /^RSA-2048 (OAEP|PSS)/.test(id));
  const axes = { title: 'RSA, 2048 bits', unit: 'a second', isLogarithmic: true };
  const bars = (rows) => {
    const categories = rows.map(({ id }) => id.replace('RSA-2048 ', ''));
    return barChart({ ...axes, categories, series: series(rows, (row, one) => row.perSecond[one].median) });
  };
  return [
    ...bySize('backends-gcm', 'AES-256-GCM seal'),
    ...bySize('backends-ecb', 'AES-256-ECB encrypt'),
    ...(rsa.length === 0 ? [] : [{ name: 'backends-rsa', alt: axes.title, svg: bars(rsa) }]),
  ];
}

function connectionTable({ contenders, results }) {
  const names = Object.keys(contenders);
  const rows = results.map((row) => [
    `${row.title}, ${row.unit}`,
    ...names.map((name) => withSpread(row.contenders[name])),
  ]);
  return table(['', ...names], rows);
}

function connectionChart(results, { barChart }) {
  const rows = results.filter(({ unit }) => unit === 'MB/s');
  const series = Object.keys(rows[0].contenders).map((name) => ({
    name,
    values: rows.map(({ contenders }) => contenders[name]?.median),
  }));
  const title = 'Connections by backend';
  const categories = rows.map((row) => `messages of ${row.title}`);
  const svg = barChart({ title, unit: 'MB/s', categories, series, isLogarithmic: true });
  return { name: 'backends-connections', alt: title, svg };
}
