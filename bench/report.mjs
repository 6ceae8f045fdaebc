// Writes the tables in docs/benchmarks/README.md and the charts beside it from the JSON files there.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { reportBackends } from './lib/report-backends.mjs';
import { reportCurves } from './lib/report-curves.mjs';
import { reportPeers } from './lib/report-peers.mjs';
import { installThirdParty } from './lib/third-party.mjs';

const folder = new URL('../docs/benchmarks/', import.meta.url);
const page = new URL('README.md', folder);
installThirdParty();
const draw = await import('./third-party/charts.mjs');

let text = readFileSync(page, 'utf8');
for (const [name, report] of Object.entries({
  peers: reportPeers,
  backends: reportBackends,
  curves: reportCurves,
})) {
  const file = new URL(`${name}.json`, folder);
  if (!existsSync(file)) console.log(`${name}.json is not there: its part stays as it is`);
  else write(report(JSON.parse(readFileSync(file, 'utf8')), draw));
}
writeFileSync(page, text);

/** Each part is `{ mark, text, charts }`: text for between two comments, charts `{ name, alt, svg }` below it. */
function write(parts) {
  for (const { mark, text: body, charts = [] } of parts) {
    for (const { name, svg } of charts) writeFileSync(new URL(`${name}.svg`, folder), svg);
    const images = charts.map(({ name, alt }) => `![${alt}](${name}.svg)`);
    text = replaceBetween(text, mark, [body, ...images].join('\n\n'));
  }
}

function replaceBetween(whole, mark, content) {
  const [begin, end] = [`<!-- ${mark} -->`, `<!-- end of ${mark} -->`];
  const from = whole.indexOf(begin);
  const to = whole.indexOf(end);
  if (from < 0 || to < from) throw new Error(`docs/benchmarks/README.md has no ${begin} … ${end}`);
  return `${whole.slice(0, from + begin.length)}\n\n${content}\n\n${whole.slice(to)}`;
}
