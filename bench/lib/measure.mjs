import { contenders } from '../contenders/list.mjs';
import { Child } from './child.mjs';

/** All work except streams uses echoes. */
const behaviourOf = (kind) => (kind === 'stream' ? 'sink' : 'echo');

/** One measurement: a fresh server process, a fresh client process, one kind of work. */
export async function measure(name, { kind, ...settings }, { credentials: byLength, node, profile }) {
  const credentials = byLength[contenders[name].modulusLength ?? 2048];
  const server = new Child({ node, nodeArguments: profileArguments(profile, 'server', name) });
  const client = new Child({ node, nodeArguments: profileArguments(profile, 'client', name) });
  const proxy = settings.delay ? new Child({ node }) : undefined;
  try {
    const behaviour = behaviourOf(kind);
    const listening = await server.do('serve', { name, credentials, behaviour, settings });
    const near = settings.delay
      ? await proxy.do('delay', { ...listening, milliseconds: settings.delay })
      : {};
    const address = { ...listening, ...near, certificate: credentials.tls.cert };
    const work = (more) =>
      client.do('work', { name, address, kind, ...more, settings: { ...settings, ...more } }, 600_000);
    return await figures[kind](work, server, settings);
  } finally {
    await Promise.all([client.end(), server.end(), proxy?.end()]);
  }
}

const figures = {
  async stream(work, server, { size }) {
    const sent = await work();
    const [compared, timed] = await server.do('received');
    requireEqual('compared', compared.count, sent.compared);
    requireEqual('timed', timed.count, sent.count);
    requireEqual('checksum', timed.checksum, sent.checksum);
    return {
      messagesPerSecond: sent.count / sent.seconds,
      bytesPerSecond: timed.bytes / sent.seconds,
      cpuPerOperation: (sent.cpu + timed.cpu) / sent.count,
      peakMemory: await server.do('peakMemory'),
      cpuPerGigabyte: ((sent.cpu + timed.cpu) / timed.bytes) * 1e9,
      verified: {
        bytesCompared: compared.count * size,
        bytesCounted: timed.bytes,
        checksums: 1,
      },
    };
  },
  async ping(work, server) {
    const { compared, p50, p99, cpu } = await withCpu(work, server);
    return { p50, p99, cpuPerOperation: cpu / compared, verified: { echoes: compared } };
  },
  async connect(work, server, settings) {
    const isCold = settings.first !== undefined;
    const first = isCold ? { compared: 0 } : await work({ isWarmUp: true });
    const { compared, seconds, cpu } = await withCpu(work, server);
    return {
      connectionsPerSecond: compared / seconds,
      cpuPerOperation: cpu / compared,
      verified: { echoes: first.compared + compared },
    };
  },
  async firstAnswer(work) {
    const { compared, p50, p99 } = await work();
    return { p50, p99, verified: { echoes: compared } };
  },
  /** The first connections also account for code and shared memory, later ones only for themselves. */
  async idle(work, server, { connections, settleWith = Math.min(1000, connections), alsoPing }) {
    const first = await work({ connections: settleWith });
    const before = await server.do('memory');
    const rest = await work({ connections: settleWith + connections });
    const after = await server.do('memory');
    return {
      bytesPerConnection: (after.rss - before.rss) / connections,
      heapPerConnection: (after.heapUsed - before.heapUsed) / connections,
      rss: after.rss,
      // how long one more connection waits for its echo, on request
      ...(alsoPing ? { p50: (await work({ kind: 'ping', ...alsoPing })).p50 } : {}),
      verified: { echoes: first.compared + rest.compared },
    };
  },
  async active(work, server) {
    const before = await server.do('cpu');
    const { compared, count, seconds, cpu, p50, p99 } = await work();
    // the server's processor time without that of the warm-up
    const cpuOfServer = ((await server.do('cpu')) - before) * (count / compared);
    const { rss } = await server.do('memory');
    const cpuPerOperation = (cpu + cpuOfServer) / count;
    return {
      messagesPerSecond: count / seconds,
      p50,
      p99,
      rss,
      cpuPerOperation,
      verified: { echoes: compared },
    };
  },
};

/** With the processor time of both ends. */
async function withCpu(work, server) {
  const before = await server.do('cpu');
  const done = await work();
  return { ...done, cpu: done.cpuOfAll + (await server.do('cpu')) - before };
}

function requireEqual(what, received, sent) {
  if (received !== sent) throw new Error(`${what}: ${sent} was sent and ${received} arrived`);
}

function profileArguments(folder, end, name) {
  if (folder === undefined) return [];
  return [
    '--cpu-prof',
    `--cpu-prof-dir=${folder}`,
    `--cpu-prof-name=${name}-${end}-${Date.now()}.cpuprofile`,
  ];
}
