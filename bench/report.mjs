// Writes the tables in docs/benchmarks (README.md, evidence.md) and the charts beside them from the JSON files there.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { readArguments } from './lib/arguments.mjs';
import { reportBackends } from './lib/report-backends.mjs';
import { reportCurves } from './lib/report-curves.mjs';
import { reportPeers } from './lib/report-peers.mjs';
import { reportSoak } from './lib/report-soak.mjs';
import { installThirdParty } from './lib/third-party.mjs';

readArguments('Usage: npm run bench:report', {});
const folder = new URL('../docs/benchmarks/', import.meta.url);
installThirdParty();
const draw = await import('./third-party/charts.mjs');

const pages = [
  { page: 'README.md', reports: { peers: reportPeers, backends: reportBackends, curves: reportCurves } },
  { page: 'evidence.md', reports: { soak: reportSoak } },
];
for (const { page, reports } of pages) {
  const path = new URL(page, folder);
  let text = readFileSync(path, 'utf8');
  for (const [name, report] of Object.entries(reports)) {
    const file = new URL(`${name}.json`, folder);
    if (!existsSync(file)) console.log(`${name}.json is not there: its part stays as it is`);
    else text = write(text, page, report(JSON.parse(readFileSync(file, 'utf8')), draw));
  }
  writeFileSync(path, text);
}

/** Each part is `{ mark, text, charts }`: text between two comments, charts `{ name, alt, svg }` below it. */
function write(page, name, parts) {
  return parts.reduce((text, { mark, text: body, charts = [] }) => {
    for (const { name: chart, svg } of charts) writeFileSync(new URL(`${chart}.svg`, folder), svg);
    const images = charts.map(({ name: chart, alt }) => `![${alt}](${chart}.svg)`);
    return replaceBetween(text, name, mark, [body, ...images].join('\n\n'));
  }, page);
}

function replaceBetween(whole, name, mark, content) {
  const [begin, end] = [`<!-- ${mark} -->`, `<!-- end of ${mark} -->`];
  const from = whole.indexOf(begin);
  const to = whole.indexOf(end);
  if (from < 0 || to < from) throw new Error(`docs/benchmarks/${name} has no ${begin} … ${end}`);
  return `${whole.slice(0, from + begin.length)}\n\n${content}\n\n${whole.slice(to)}`;
}
