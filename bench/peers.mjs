// The same work, side by side, by this package and by others: npm run bench:peers -- --help
import { mkdirSync } from 'node:fs';
import { builtIn, contenders } from './contenders/list.mjs';
import { choose, positive, readArguments } from './lib/arguments.mjs';
import { compare, describe, exitCodeFor, printComparison } from './lib/comparison.mjs';
import { makeCredentials } from './lib/credentials.mjs';
import { aboutThisRun, connectionsPossible, printAbout } from './lib/machine.mjs';
import { writeResults } from './lib/output.mjs';
import { peerTests } from './lib/peer-tests.mjs';
import { isJudged } from './lib/targets.mjs';
import { installThirdParty } from './lib/third-party.mjs';

/** The default selection. */
const usual = [
  ...['net', 'net-callback', 'tls', 'tls-callback', 'tls-resumed', 'tls-3072', 'tls-plain'],
  ...['ws', 'ws-callback', 'secret-stream', 'secret-stream-callback', 'libp2p-noise', 'ssh2'],
  ...['sealed', 'sealed-batches', 'sealed-resumed', 'sealed-hybrid', 'sealed-3072', 'classic'],
  ...['sealed-sodium', 'sealed-sodium-batches', 'sealed-sodium-resumed', 'sealed-noble', 'sealed-noble-aes'],
];
/** These differ from another contender only in the handshake. */
const handshakes = ['connect-1', 'connect-32', 'connect-cold', 'first-answer'];
const reading = ['await-64', 'burst-64', 'await-64-cold'];
const streams = ['await-64', 'stream-1k', 'stream-64k'];
/** What a chart shows, of contenders that no target is about. */
const basics = [...streams, 'burst-64', 'stream-1m', 'ping-64', 'connect-1', 'connect-32', 'idle'];
const slower = [...basics, 'active-100', 'connect-cold', 'first-answer'];
const onlyFor = {
  'sealed-batches': reading,
  'sealed-sodium-batches': reading,
  'sealed-hybrid': ['connect-32', 'first-answer'],
  'sealed-3072': ['connect-1', 'connect-32'],
  'sealed-resumed': handshakes,
  'sealed-sodium-resumed': handshakes,
  'tls-3072': ['connect-1', 'connect-32'],
  'tls-resumed': handshakes,
  'sealed-noble': streams,
  'sealed-noble-aes': streams,
  // their other way is the faster one
  net: slower,
  ws: slower,
  'secret-stream': slower,
  'net-callback': [...reading, 'stream-1k', 'stream-1m', 'ping-64', 'active-10', 'active-100', 'active-1000'],
  'libp2p-noise': basics,
  'tls-plain': basics,
  ssh2: ['first-answer'],
};

const known = Object.keys(contenders);
const usage = `Usage: npm run bench:peers -- [OPTIONS]

  --rounds N          how often each measurement is made, in turns with the others (3)
  --others N          and those that no target is about (the same)
  --contenders A,B    ${usual.join(', ')};
                      and ${known.filter((name) => !usual.includes(name)).join(', ')}
  --tests A,B         ${Object.keys(peerTests).join(', ')}
  --duration MS       how long a measurement takes (1500)
  --warm-up MS        and how long it is done before, every byte compared (1500)
  --connections N     how many idle connections are opened (5000)
  --node FILE         the Node that is measured (this one)
  --json FILE         where the results go (docs/benchmarks/peers.json); "-" for nowhere
  --profile FOLDER    write CPU profiles there; the figures are then worth little`;

const given = readArguments(usage, {
  rounds: { type: 'string', default: '3' },
  others: { type: 'string' },
  contenders: { type: 'string' },
  tests: { type: 'string' },
  duration: { type: 'string', default: '1500' },
  'warm-up': { type: 'string', default: '1500' },
  connections: { type: 'string', default: '5000' },
  node: { type: 'string', default: process.execPath },
  json: { type: 'string', default: 'docs/benchmarks/peers.json' },
  profile: { type: 'string' },
});
const rounds = positive('rounds', given.rounds);
const others = given.others === undefined ? rounds : positive('others', given.others);
const names = given.contenders === undefined ? usual : choose('contender', given.contenders, known);
const settings = {
  duration: positive('duration', given.duration),
  warmUp: positive('warm-up', given['warm-up']),
  connections: connectionsPossible(positive('connections', given.connections)),
};
const tests = choose('test', given.tests, Object.keys(peerTests)).map((id) => {
  const { work, rows } = peerTests[id];
  return { id, work: { ...settings, ...work }, rows };
});

if (given.profile) mkdirSync(given.profile, { recursive: true });
if (names.some((name) => !builtIn.includes(name))) installThirdParty();
const about = aboutThisRun(given.node);
const environment = {
  credentials: await makeCredentials([2048, 3072]),
  node: given.node,
  profile: given.profile,
};
const roundsOf = ({ id, rows }, name) => {
  if (onlyFor[name] !== undefined && !onlyFor[name].includes(id)) return 0;
  const ids = rows.map((row) => row.id);
  return isJudged(ids, name) ? rounds : others;
};
const measured = await compare({ tests, names, rounds, environment, roundsOf });
printAbout(about);
printComparison(measured, names, rounds, names.includes('tls-callback') ? 'tls-callback' : 'tls');
writeResults(given.json, {
  about: { ...about, rounds, others, ...settings },
  contenders: describe(names),
  ...measured,
});
process.exitCode = exitCodeFor(measured.failures);
