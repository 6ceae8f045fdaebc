// Measures the tunnel, with each native backend, beside spiped and stunnel in one run, on this machine: Redis without a
// tunnel and through each, a download in one stream, and connections; how much of it, and how much time of the processor
// both ends of the tunnel take for it, which says more where other programs run as well. Needs redis-server,
// redis-benchmark, spiped and stunnel4, a built dist/, and Linux: node scripts/bench-tunnel.mjs --help
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readArguments, stop } from './lib/arguments.mjs';
import { freePort } from './lib/free-port.mjs';
import { tunnelOfOurs, tunnelOfSpiped, tunnelOfStunnel } from './lib/tunnel-contenders.mjs';

const usage = `Usage: node scripts/bench-tunnel.mjs [ROUNDS] [-- FLAG...]

  ROUNDS  how often each is measured (3)
  FLAG    given to our tunnel`;

const [given = '3', ...flags] = readArguments(usage, {}, true).positionals;
const rounds = Number(given);
if (!Number.isSafeInteger(rounds) || rounds < 1) stop(usage);
const ours = ['ours, node', 'ours, sodium'];
const theirs = ['spiped', 'stunnel'];
const folder = mkdtempSync(join(tmpdir(), 'bench-tunnel-'));
const children = [];
const DOWNLOAD = 256 * 2 ** 20;
const CONNECTIONS = 1000;

/** The measurements: the unit, the number of operations, and the function that returns the rate per second. */
const works = [
  { name: 'GET, 20 clients, requests', units: 20_000, run: getTest('-n', '20000', '-c', '20') },
  {
    name: 'GET, 20 clients, 32 in a pipeline, requests',
    units: 300_000,
    run: getTest('-n', '300000', '-c', '20', '-P', '32'),
  },
  {
    name: 'GET of 16 KiB, 20 clients, requests',
    units: 10_000,
    valueSize: 16_384,
    run: getTest('-n', '10000', '-c', '20'),
  },
  { name: 'download in one stream, MB', units: DOWNLOAD / 1e6, run: ({ source }) => downloadRate(source) },
  {
    name: 'connections, one after another',
    units: CONNECTIONS,
    run: ({ redis }) => connectionRate(redis, 1),
  },
  { name: 'connections, 20 at a time', units: CONNECTIONS, run: ({ redis }) => connectionRate(redis, 20) },
];

try {
  const redis = await freePort();
  begin('redis-server', '--port', redis, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no');
  const source = await startSource();
  const contenders = {
    direct: async (target) => target,
    'ours, node': tunnelOfOurs('node', flags, { folder, begin }),
    'ours, sodium': tunnelOfOurs('sodium', flags, { folder, begin }),
    spiped: tunnelOfSpiped({ folder, begin }),
    stunnel: tunnelOfStunnel({ folder, begin }),
  };
  const tunnels = {};
  for (const [name, open] of Object.entries(contenders)) {
    const before = children.length;
    const ports = { redis: await open(redis), source: await open(source) };
    tunnels[name] = { ...ports, processes: children.slice(before) };
  }
  await sleep(1500);
  report(await measure(tunnels, redis));
} finally {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}
process.exit();

async function measure(tunnels, redis) {
  const figures = works.map(() => ({}));
  for (let round = 0; round < rounds; round++) {
    // alternately, so that other load on the machine affects all of them
    for (const [index, { units, valueSize = 3, run }] of works.entries()) {
      redisBenchmark(redis, 'set', '-n', '1', '-d', String(valueSize));
      for (const [name, tunnel] of Object.entries(tunnels)) {
        const before = processorTime(tunnel.processes);
        const rate = await run(tunnel);
        const time = (processorTime(tunnel.processes) - before) / units;
        figures[index][name] ??= { rates: [], times: [] };
        figures[index][name].rates.push(rate);
        figures[index][name].times.push(time);
      }
    }
  }
  return figures;
}

function report(figures) {
  console.log(
    `${new Date().toISOString().slice(0, 10)}, ${cpus().length} x ${cpus()[0]?.model}, ${versions()}`,
  );
  console.log(`medians of ${rounds} rounds; in brackets: as a multiple of spiped's and of stunnel's\n`);
  table('a second', ['direct', ...ours, ...theirs], figures, ({ rates }) => median(rates));
  table('microseconds of processor time for each', [...ours, ...theirs], figures, ({ times }) =>
    median(times),
  );
}

function table(title, names, figures, figureOf) {
  console.log(`| ${title} | ${names.join(' | ')} |\n|---|${names.map(() => '--:').join('|')}|`);
  for (const [index, { name: work }] of works.entries()) {
    const cells = names.map((name) => {
      const figure = figureOf(figures[index][name]);
      const ratios = theirs.map((one) => (figure / figureOf(figures[index][one])).toFixed(2));
      return `${round(figure)}${ours.includes(name) ? ` (${ratios.join(', ')})` : ''}`;
    });
    console.log(`| ${work} | ${cells.join(' | ')} |`);
  }
  console.log();
}

function round(figure) {
  return figure >= 1000 ? Math.round(figure) : figure.toFixed(1);
}

/** Processor time of these processes so far, in all their threads and in the system, in microseconds. */
function processorTime(processes) {
  let ticks = 0;
  for (const { pid } of processes) {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  // Linux always reports hundredths of a second here
  return ticks * 10_000;
}

function getTest(...args) {
  return ({ redis }) => redisBenchmark(redis, 'get', ...args);
}

/** Requests a second. */
function redisBenchmark(port, test, ...args) {
  const { stdout, stderr, status } = spawnSync(
    'redis-benchmark',
    ['-p', String(port), '--csv', '-t', test, ...args],
    { encoding: 'utf8', timeout: 120_000 },
  );
  const row = stdout.split('\n').find((line) => line.startsWith(`"${test.toUpperCase()}"`));
  if (status !== 0 || row === undefined)
    throw new Error(`redis-benchmark on port ${port}: ${stderr}${stdout}`);
  return Number(row.split(',')[1].replaceAll('"', ''));
}

function downloadRate(port) {
  return new Promise((resolve, reject) => {
    const begun = performance.now();
    let received = 0;
    const socket = createConnection({ port, host: '127.0.0.1' });
    socket.on('data', ({ length }) => {
      received += length;
    });
    socket.on('error', reject);
    socket.on('end', () => {
      if (received !== DOWNLOAD)
        reject(new Error(`${received} of ${DOWNLOAD} bytes came through port ${port}`));
      else resolve(DOWNLOAD / 1e3 / (performance.now() - begun));
    });
  });
}

/** Connects, sends one request, closes; several at a time. */
async function connectionRate(port, atOnce) {
  const begun = performance.now();
  let left = CONNECTIONS;
  const worker = async () => {
    while (left-- > 0) await askOnce(port);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return (1000 * CONNECTIONS) / (performance.now() - begun);
}

function askOnce(port) {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port, host: '127.0.0.1' }, () => socket.write('PING\r\n'));
    socket.once('data', () => socket.end());
    socket.on('error', reject);
    socket.on('close', resolve);
  });
}

/** Sends the same bytes to every client, as fast as it reads. */
async function startSource() {
  const program = `const piece = Buffer.alloc(1 << 18);
    require('node:net').createServer((socket) => {
      let left = ${DOWNLOAD};
      const pour = () => {
        while (left > 0) { left -= piece.length; if (!socket.write(piece)) return socket.once('drain', pour); }
        socket.end();
      };
      socket.on('error', () => {});
      pour();
    }).listen(Number(process.argv[1]), '127.0.0.1');`;
  const port = await freePort();
  begin(process.execPath, '--eval', program, port);
  return port;
}

function begin(command, ...args) {
  const child = spawn(command, args.map(String), { stdio: ['ignore', 'ignore', 'inherit'] });
  child.on('error', (error) => {
    throw error;
  });
  children.push(child);
}

function versions() {
  const of = (command, args, pattern) => {
    const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
    return pattern.exec(stdout + stderr)?.[1] ?? '?';
  };
  return [
    `Node ${process.version.slice(1)}`,
    `spiped ${of('spiped', ['-v'], /spiped ([\d.]+)/)}`,
    `stunnel ${of('stunnel4', ['-version'], /stunnel ([\d.]+)/)}`,
    `Redis ${of('redis-server', ['--version'], /v=([\d.]+)/)}`,
  ].join(', ');
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
