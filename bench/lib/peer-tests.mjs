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
    rows: [row('ping-64', '64 B ping-pong, p50', 'us', 'less', ({ p50 }) => p50)],
  },
  'connect-1': connecting('connect, echo, close, one at a time', 1),
  'connect-32': connecting('the same, 32 at a time', 32),
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

function connecting(title, lanes) {
  return {
    work: { kind: 'connecting', size: 64, lanes },
    rows: [row(`connect-${lanes}`, title, '/s', 'more', ({ connectionsPerSecond }) => connectionsPerSecond)],
  };
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
