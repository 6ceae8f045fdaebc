// The backends of browsers, measured here: both ends in this page.
import { Identity } from 'secure-sockets';
import { connectPair } from './wire.mjs';

const loaders = {
  web: async () => (await import('secure-sockets/backends/web')).web,
  noble: async () => (await import('secure-sockets/backends/noble')).noble,
  forge: async () => (await import('secure-sockets/backends/forge')).forge,
};

const charts = [
  { name: 'connect', title: 'Connecting', unit: 'ms', better: 'less is better', digits: 1 },
  {
    name: 'trips',
    title: '64 bytes there and back',
    unit: 'per second',
    better: 'more is better',
    digits: 0,
  },
  { name: 'rate', title: '64 KiB messages', unit: 'MB/s', better: 'more is better', digits: 1 },
];

const MILLISECONDS = 900;

/** Measures when the button is pressed, and draws what it finds. */
export function showSpeed() {
  const button = document.getElementById('speed-run');
  const status = document.getElementById('speed-status');
  button.onclick = async () => {
    button.disabled = true;
    try {
      await measureAll((text) => {
        status.textContent = text;
      });
    } catch (error) {
      status.textContent = `${error.code ?? error.name}: ${error.message}`;
    }
    button.disabled = false;
  };
}

async function measureAll(report) {
  const results = new Map();
  const pem = (await Identity.generate({ modulusLength: 2048 })).toPem();
  for (const [name, load] of Object.entries(loaders)) {
    report(`${name} …`);
    results.set(name, await measure(await load(), pem));
    draw(results);
  }
  report('Both ends, RSA of 2048 bits. Other programs of this machine change the figures.');
}

async function measure(backend, pem) {
  const identity = Identity.fromPem(pem);
  const options = { identity, backend };
  await (await connectPair(options)).stop();
  const connect = await timePerRun(async () => (await connectPair(options)).stop());
  const pair = await connectPair(options);
  const trips = 1000 / (await timePerRun(() => roundTrip(pair)));
  const rate = await throughput(pair);
  await pair.stop();
  return { connect, trips, rate };
}

async function timePerRun(run) {
  const begun = performance.now();
  let count = 0;
  for (; performance.now() - begun < MILLISECONDS; count++) await run();
  return (performance.now() - begun) / count;
}

async function roundTrip({ client, far }) {
  await client.send(new Uint8Array(64));
  await far.send(await far.recv());
  await client.recv();
}

/** Megabytes a second, in one direction. */
async function throughput({ client, far, tap }) {
  const message = new Uint8Array(65536);
  const begun = performance.now();
  let isOver = false;
  const sending = (async () => {
    while (performance.now() - begun < MILLISECONDS) {
      await client.send(message.slice());
      tap.takeSent();
    }
    isOver = true;
    await client.send(new Uint8Array(0));
  })();
  let bytes = 0;
  for (;;) {
    const { length } = await far.recv();
    bytes += length;
    if (length === 0 && isOver) break;
  }
  await sending;
  return bytes / 1000 / (performance.now() - begun);
}

function draw(results) {
  document.getElementById('charts').replaceChildren(...charts.map((chart) => drawChart(chart, results)));
}

function drawChart({ name, title, unit, better, digits }, results) {
  const card = document.createElement('div');
  card.className = 'card';
  const heading = document.createElement('h3');
  heading.textContent = title;
  const note = document.createElement('p');
  note.className = 'note';
  note.textContent = `${unit}; ${better}`;
  const bars = document.createElement('div');
  bars.className = 'bars';
  const longest = Math.max(...[...results.values()].map((result) => result[name]));
  for (const [backend, result] of results) bars.append(...drawBar(backend, result[name], longest, digits));
  card.append(heading, note, bars);
  return card;
}

function drawBar(backend, value, longest, digits) {
  const label = document.createElement('span');
  label.textContent = backend;
  const bar = document.createElement('div');
  bar.className = `bar ${backend}`;
  bar.style.width = `${(100 * value) / longest}%`;
  const figure = document.createElement('span');
  figure.className = 'figure';
  figure.textContent = value.toLocaleString('en', { maximumFractionDigits: digits });
  return [label, bar, figure];
}
