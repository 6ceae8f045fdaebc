// Conversations over a network that loses packets and is slow, made of Linux network namespaces: npm run network-faults.
// Needs root, ip, tc and nft. If these are missing it reports that and does nothing.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { readArguments } from './lib/arguments.mjs';

const usage = `Usage: npm run network-faults -- [options]

  --loss N      packets lost in each direction, in per cent (5)
  --rate RATE   as tc takes it (20mbit)
  --messages N  messages of each connection (200)

A namespace with an echo server, one with clients, a veth pair between them. Every message is numbered and hashed.`;

const { values } = readArguments(usage, {
  loss: { type: 'string', default: '5' },
  rate: { type: 'string', default: '20mbit' },
  messages: { type: 'string', default: '200' },
});

const program = fileURLToPath(new URL('lib/network-peer.mjs', import.meta.url));
const [serverSpace, clientSpace] = ['server', 'client'].map(
  (role) => `secure-sockets-${role}-${process.pid}`,
);
const address = '10.231.77.1';
const bucket = ['burst', '32kbit', 'latency', '400ms'];

const reason = whyNot();
if (reason !== undefined) console.log(`skipped: ${reason}`);
else process.exitCode = await measure();

/** Why it cannot be done here, if that is so. Makes the server's namespace: only trying tells whether that is allowed. */
function whyNot() {
  if (process.platform !== 'linux') return 'network namespaces are Linux';
  if (process.getuid?.() !== 0) return 'it needs root';
  for (const [tool, option] of [
    ['ip', '-V'],
    ['tc', '-V'],
    ['nft', '-v'],
  ]) {
    if (spawnSync(tool, [option]).error) return `there is no ${tool}`;
  }
  const attempt = spawnSync('ip', ['netns', 'add', serverSpace], { encoding: 'utf8' });
  return attempt.status === 0 ? undefined : `no network namespace: ${attempt.stderr.trim()}`;
}

async function measure() {
  try {
    layCable();
    for (const protocol of ['sealed', 'classic']) await converse(protocol);
    return 0;
  } catch (error) {
    console.error(error.message);
    return 1;
  } finally {
    for (const space of [serverSpace, clientSpace]) spawnSync('ip', ['netns', 'delete', space]);
  }
}

function layCable() {
  run('ip', 'netns', 'add', clientSpace);
  const cable = ['type', 'veth', 'peer', 'name', 'veth1', 'netns', clientSpace];
  run('ip', '-n', serverSpace, 'link', 'add', 'name', 'veth0', ...cable);
  for (const [space, end, own] of [
    [serverSpace, 'veth0', address],
    [clientSpace, 'veth1', '10.231.77.2'],
  ]) {
    run('ip', '-n', space, 'address', 'add', `${own}/24`, 'dev', end);
    run('ip', '-n', space, 'link', 'set', end, 'up');
    run('ip', '-n', space, 'link', 'set', 'lo', 'up');
    run('tc', '-n', space, 'qdisc', 'add', 'dev', end, 'root', 'tbf', 'rate', values.rate, ...bucket);
    lose(space);
  }
}

function lose(space) {
  const rule = `numgen random mod 100 < ${Number(values.loss)} drop`;
  const table = `table inet faults { chain input { type filter hook input priority 0; iifname != "lo" ${rule}; }; }`;
  run('ip', 'netns', 'exec', space, 'nft', table);
}

function run(command, ...args) {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr.trim()}`);
}

async function converse(protocol) {
  const server = start(serverSpace, { role: 'server', protocol, address });
  const ended = once(server, 'close').then(([code]) => {
    throw new Error(`${protocol}: the server ended with ${code}`);
  });
  const [line] = await Promise.race([once(server.stdout.setEncoding('utf8'), 'data'), ended]);
  const { messages } = values;
  const client = start(clientSpace, {
    role: 'client',
    protocol,
    messages: Number(messages),
    ...JSON.parse(line),
  });
  client.stdout.pipe(process.stdout);
  const [code] = await once(client, 'close');
  server.kill();
  if (code !== 0) throw new Error(`${protocol}: the clients ended with ${code}`);
}

function start(space, argument) {
  const args = ['netns', 'exec', space, process.execPath, '--no-warnings', program, JSON.stringify(argument)];
  return spawn('ip', args, { stdio: ['ignore', 'pipe', 'inherit'] });
}
