// The same work, side by side, by this package and by others: npm run bench:peers -- --help
import { mkdirSync } from 'node:fs';
import { builtIn, contenders } from './contenders/list.mjs';
import { choose, positive, readArguments } from './lib/arguments.mjs';
import { compare, describe, exitCodeFor, printComparison } from './lib/comparison.mjs';
import { makeCredentials } from './lib/credentials.mjs';
import { aboutThisRun, connectionsPossible, printAbout } from './lib/machine.mjs';
import { writeResults } from './lib/output.mjs';
import { peerTests } from './lib/peer-tests.mjs';
import { installThirdParty } from './lib/third-party.mjs';

/** The default selection. */
const usual = [
  ...['net', 'net-callback', 'tls', 'tls-callback', 'tls-resumed', 'tls-3072', 'tls-plain'],
  ...['ws', 'ws-callback', 'secret-stream', 'secret-stream-callback', 'libp2p-noise'],
  ...['sealed', 'sealed-batches', 'sealed-resumed', 'sealed-hybrid', 'sealed-3072', 'classic'],
  ...['sealed-sodium', 'sealed-sodium-batches', 'sealed-sodium-resumed'],
];
/** These differ from another contender only in the handshake. */
const handshakes = ['connect-1', 'connect-32', 'connect-cold', 'first-answer'];
const reading = ['await-64', 'burst-64', 'await-64-cold'];
const onlyFor = {
  'sealed-batches': reading,
  'sealed-sodium-batches': reading,
  'sealed-hybrid': handshakes,
  'sealed-3072': handshakes,
  'sealed-resumed': handshakes,
  'sealed-sodium-resumed': handshakes,
  'tls-3072': handshakes,
  'tls-resumed': handshakes,
};

const known = Object.keys(contenders);
const usage = `Usage: npm run bench:peers -- [OPTIONS]

  --rounds N          how often each measurement is made, in turns with the others (3)
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
const skip = ({ id }, name) => onlyFor[name] !== undefined && !onlyFor[name].includes(id);
const measured = await compare({ tests, names, rounds, environment, skip });
printAbout(about);
printComparison(measured, names, rounds, names.includes('tls-callback') ? 'tls-callback' : 'tls');
writeResults(given.json, {
  about: { ...about, rounds, ...settings },
  contenders: describe(names),
  ...measured,
});
process.exitCode = exitCodeFor(measured.failures);
