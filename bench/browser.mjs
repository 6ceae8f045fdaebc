// Pages in Chromium and Firefox against a server on Node: npm run bench:browser -- --help
import { choose, positive, readArguments } from './lib/arguments.mjs';
import { browserReport } from './lib/browser-report.mjs';
import { startServer, stopServer } from './lib/browser-server.mjs';
import { browserNames, measureMemory, openPage, profile, work } from './lib/browsers.mjs';
import { aboutThisRun } from './lib/machine.mjs';
import { writeResults } from './lib/output.mjs';
import { summary } from './lib/statistics.mjs';
import { installThirdParty, thirdPartyVersion } from './lib/third-party.mjs';

const usage = `Usage: npm run bench:browser -- [OPTIONS]

  --rounds N       how often each is measured, in turns, the memory too (3)
  --duration MS    of the round trips, after half of it to warm up (1000)
  --megabytes N    downloaded and uploaded (100)
  --handshakes N   one after the other (40)
  --memory MB      downloaded while the page's memory is watched (1000)
  --connects N     opened and closed for the memory they leave (1000)
  --browsers LIST  of ${browserNames.join(', ')} (both)
  --json FILE      where the results go (docs/benchmarks/browser.json; - for nowhere)

Prints the tables in Markdown.`;

const text = (value) => ({ type: 'string', default: value });
const given = readArguments(usage, {
  ...{ rounds: text('3'), duration: text('1000'), megabytes: text('100'), handshakes: text('40') },
  ...{ memory: text('1000'), connects: text('1000'), browsers: { type: 'string' } },
  json: text('docs/benchmarks/browser.json'),
});
const number = (name) => positive(name, given[name]);
const tests = [
  ['pingPong', number('duration')],
  ['download', number('megabytes')],
  ['upload', number('megabytes')],
  ['handshake', number('handshakes')],
];
const contenders = ['raw', 'sealed'];
const others = ['@libp2p/websockets', '@chainsafe/libp2p-noise'];
await main();

async function main() {
  installThirdParty();
  const about = aboutThisRun();
  const server = await startServer();
  const where = { url: server.url, serverKey: server.identity.fingerprint, libp2pPort: server.libp2p?.port };
  const browsers = {};
  try {
    for (const name of choose('browser', given.browsers, browserNames)) {
      const opened = await openPage(name, server.origin);
      if (opened) browsers[name] = await measure(opened, where).finally(() => opened.browser.close());
    }
  } finally {
    await stopServer(server);
  }
  const versions = Object.fromEntries(others.map((name) => [name, thirdPartyVersion(name)]));
  const results = { about, options: given, versions, browsers };
  writeResults(given.json, results);
  console.log(browserReport(results));
}

async function measure({ name, version, page }, where) {
  const suite = await work(page, 'suite', where);
  const rows = await measureRounds(page, where);
  if (name !== 'chromium') return { version, suite, rows };
  return { version, suite, rows, memory: await memories(page, where), profiles: await profiles(page, where) };
}

/** Every second round in the opposite order. */
async function measureRounds(page, where) {
  const measured = where.libp2pPort ? [...contenders, 'libp2p'] : contenders;
  const none = () => Object.fromEntries(measured.map((contender) => [contender, []]));
  const values = Object.fromEntries(tests.map(([test]) => [test, none()]));
  // a round that does not count: the code is compiled
  for (let round = -1; round < number('rounds'); round++)
    for (const [test, amount] of tests)
      for (const contender of round % 2 === 0 ? measured : measured.toReversed()) {
        const value = await work(page, test, where, contender, amount);
        if (round >= 0) values[test][contender].push(value);
      }
  return mapValues(values, (all) => mapValues(all, summary));
}

/** As often as the rest: how much garbage there is at most is up to the collector. */
async function memories(page, where) {
  const during = (test, contender, ...rest) => ({
    peakMiB: [],
    leftMiB: [],
    action: () => work(page, test, where, contender, ...rest),
  });
  const [memory, connects] = [number('memory'), number('connects')];
  const all = {
    raw: { download: during('download', 'raw', memory), connects: during('handshake', 'raw', connects) },
    sealed: {
      download: during('download', 'sealed', memory),
      givenBack: during('download', 'sealed', memory, true),
      connects: during('handshake', 'sealed', connects),
    },
  };
  for (let round = 0; round < number('rounds'); round++)
    for (const each of Object.values(all).flatMap(Object.values)) await addMemory(page, each);
  return mapValues(all, (works) =>
    mapValues(works, ({ peakMiB, leftMiB }) => ({ peakMiB: summary(peakMiB), leftMiB: summary(leftMiB) })),
  );
}

async function addMemory(page, { action, peakMiB, leftMiB }) {
  const measured = await measureMemory(page, action);
  peakMiB.push(measured.peakMiB);
  leftMiB.push(measured.leftMiB);
}

function mapValues(object, change) {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));
}

async function profiles(page, where) {
  const all = {};
  for (const [test, amount] of tests)
    all[test] = await profile(page, () => work(page, test, where, 'sealed', amount));
  return all;
}
