// Writes README's table of what runs where from the reports of the tests, or compares the two.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { readArguments, stop } from './lib/arguments.mjs';
import { root } from './lib/root.mjs';

const usage = `Usage: node scripts/platforms.mjs [--check] FOLDER

  FOLDER    has report.json, bun-report.json and deno-report.json, as .ci/run leaves them
  --check   writes nothing, and fails if README says otherwise`;

const is =
  (...files) =>
  (test) =>
    files.some((file) => test.file === `test/${file}.test.ts`);
const hasName = (pattern) => (test) => pattern.test(test.name);
const both = (one, other) => (test) => one(test) && other(test);
const either = (one, other) => (test) => one(test) || other(test);
const inPage = (pattern) => both(is('browser'), hasName(pattern));
const withBackend = (name) => both(is('runtimes'), hasName(new RegExp(`: ${name} of .* with ${name}$`)));

const knownHosts = is('known-hosts', 'known-hosts-adding', 'known-hosts-removing', 'known-hosts-files');

/** What there is, and the tests that show it. */
const rows = [
  ['TCP', is('socket', 'socket-ends', 'connecting', 'serving')],
  ['Unix domain sockets', is('unix-sockets')],
  ['WebSockets', either(is('web-socket', 'bun-web-socket'), inPage(/carries 0 bytes to 8 MiB/))],
  ['Workers and message ports', hasName(/message ?port/i)],
  ['Web Streams', either(is('streams', 'web-streams'), inPage(/takes the streams of a WebSocketStream/))],
  ['Duplex', is('duplex', 'http-over-connections')],
  ['classic, with Python', both(is('interop'), hasName(/every message comes back/))],
  ['Resumption', is('resumption', 'resumption-server')],
  ['Files of keys', is('identity', 'identity-files', 'identity-refusals')],
  ['Keys that the platform keeps', either(is('external-keys'), inPage(/one that the platform keeps/))],
  ['Known hosts', either(knownHosts, inPage(/known hosts in localStorage/))],
  ['Backend `node`', withBackend('node')],
  ['Backend `sodium`', withBackend('sodium')],
  ['Backend `web`', either(withBackend('web'), inPage(/carries 0 bytes to 8 MiB/))],
  ['Backend `noble`', withBackend('noble')],
  ['The command', either(is('cli'), both(is('runtimes'), hasName(/the command: /)))],
];

const { values, positionals } = readArguments(usage, { check: { type: 'boolean', default: false } }, true);
if (positionals.length !== 1) stop(usage);
main(positionals[0]);

function main(folder) {
  const table = tableOf(columnsOf(folder));
  const path = join(root, 'README.md');
  const readme = readFileSync(path, 'utf8');
  const wanted = readme.replace(/(<!-- platforms -->\n)[\s\S]*?(<!-- \/platforms -->)/, `$1${table}$2`);
  if (wanted === readme) return;
  if (values.check) {
    const rowsOfReadme = new Set(readme.split('\n'));
    const other = table.split('\n').filter((row) => !rowsOfReadme.has(row));
    console.error(`README's table of what runs where is not what the tests show:\n${other.join('\n')}`);
    process.exitCode = 1;
  } else {
    writeFileSync(path, wanted);
  }
}

/** The tests of each platform. Those of test/runtimes.test.ts and test/browser.test.ts run in Node and try others. */
function columnsOf(folder) {
  const main = testsOf(join(folder, 'report.json'));
  const about = (name) => main.filter((test) => test.name.startsWith(`${name} `));
  return {
    Node: main.filter(
      ({ file, name }) => file !== 'test/browser.test.ts' && !/^(?:Bun|Deno) .*the command/.test(name),
    ),
    Bun: [...testsOf(join(folder, 'bun-report.json')), ...about('Bun')],
    Deno: [...testsOf(join(folder, 'deno-report.json')), ...about('Deno')],
    Chromium: about('Chromium'),
    Firefox: about('Firefox'),
  };
}

function testsOf(path) {
  if (!existsSync(path)) throw new Error(`there is no ${path}\n\n${usage}`);
  const { testResults } = JSON.parse(readFileSync(path, 'utf8'));
  return testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.map(({ fullName, status }) => ({
      file: relative(root, name).replaceAll('\\', '/'),
      // vitest quotes the names of a table's rows
      name: fullName.replaceAll("'", ''),
      status,
    })),
  );
}

function tableOf(columns) {
  const names = Object.keys(columns);
  const lines = rows.map(([label, isOne]) => [
    label,
    ...names.map((name) => verdict(columns[name].filter(isOne))),
  ]);
  const all = [['', ...names], ['---', ...names.map(() => '---')], ...lines];
  return `\n${all.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n\n`;
}

function verdict(tests) {
  if (tests.some(({ status }) => status === 'failed')) return 'no';
  return tests.some(({ status }) => status === 'passed') ? 'yes' : '';
}
