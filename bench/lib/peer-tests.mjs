const KIB = 1024;
const MIB = 1024 * KIB;

/** The work of `bench:peers`. `rows` says which figures of a measurement count, and whether more of them is better. */
export const peerTests = {
  'await-64': stream('64 B, await send', 64, 1, messages),
  'burst-64': stream('64 B, 256 sends then await', 64, 256, messages),
  'stream-1k': stream('1 KiB', KIB, 1, megabytes),
  'stream-64k': stream('64 KiB', 64 * KIB, 1, megabytes),
  'stream-1m': stream('1 MiB', MIB, 1, megabytes, {
    id: 'cpu-1m',
    title: 'CPU at 1 MiB, both ends',
    unit: 's/GB',
    better: 'less',
    figure: ({ cpuPerGigabyte }) => cpuPerGigabyte,
  }),
  'ping-64': {
    work: { kind: 'ping', size: 64 },
    rows: latencyRows('ping-64', '64 B ping-pong'),
  },
  'ping-64-cold': {
    work: { kind: 'ping', size: 64, warmUp: 0, duration: 1000 },
    rows: latencyRows('ping-64-cold', '64 B ping-pong in the first second'),
  },
  'await-64-cold': {
    work: { kind: 'stream', size: 64, burst: 1, warmUp: 1, duration: 1000 },
    rows: [row('await-64-cold', '64 B, await send, in the first second', 'k msg/s', 'more', messages)],
  },
  'active-10': active(10),
  'active-100': active(100),
  'active-1000': active(1000),
  'connect-1': connectTest('connect, echo, close, one at a time', 1),
  'connect-32': connectTest('the same, 32 at a time', 32),
  'connect-cold': {
    work: { kind: 'connect', size: 64, lanes: 1, first: 500 },
    rows: [row('connect-cold', 'the first 500 of a process', '/s', 'more', connections)],
  },
  'first-answer': {
    work: { kind: 'firstAnswer', size: 64, connections: 40, delay: 10 },
    rows: [
      row(
        'first-answer',
        'connect() to first answer, round trip of 20 ms',
        'ms',
        'less',
        ({ p50 }) => p50 / 1000,
      ),
    ],
  },
  idle: {
    work: { kind: 'idle', size: 64 },
    rows: [
      row(
        'idle',
        'server memory per idle connection',
        'KiB',
        'less',
        ({ bytesPerConnection }) => bytesPerConnection / KIB,
      ),
    ],
  },
};

function stream(title, size, burst, figure, ...more) {
  const id = `${size === 64 ? (burst === 1 ? 'await' : 'burst') : 'stream'}-${short(size)}`;
  const unit = figure === messages ? 'k msg/s' : 'MB/s';
  return { work: { kind: 'stream', size, burst }, rows: [row(id, title, unit, 'more', figure), ...more] };
}

function connectTest(title, lanes) {
  return {
    work: { kind: 'connect', size: 64, lanes },
    rows: [row(`connect-${lanes}`, title, '/s', 'more', connections)],
  };
}

function active(connections) {
  return {
    work: { kind: 'active', size: 64, connections },
    rows: [
      row(`active-${connections}`, `64 B round trips on ${connections} connections`, 'k/s', 'more', messages),
      row(`active-${connections}-p99`, 'their p99', 'us', 'less', ({ p99 }) => p99),
    ],
  };
}

function latencyRows(id, title) {
  return [
    row(id, `${title}, p50`, 'us', 'less', ({ p50 }) => p50),
    row(`${id}-p99`, 'its p99', 'us', 'less', ({ p99 }) => p99),
  ];
}

function connections({ connectionsPerSecond }) {
  return connectionsPerSecond;
}

function row(id, title, unit, better, figure) {
  return { id, title, unit, better, figure };
}

function messages({ messagesPerSecond }) {
  return messagesPerSecond / 1000;
}

function megabytes({ bytesPerSecond }) {
  return bytesPerSecond / 1e6;
}

function short(size) {
  if (size >= MIB) return `${size / MIB}m`;
  return size >= KIB ? `${size / KIB}k` : `${size}`;
}
