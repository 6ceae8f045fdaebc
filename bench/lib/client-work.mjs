import { Inspector, makeRing } from './ring.mjs';
import { quantile } from './statistics.mjs';
import { cpuSeconds, makeEnd } from './wire.mjs';

/** What a client does; each resolves to plain figures. `connect()` opens a connection to the server. */
export const works = { stream, ping, connecting, idle, active };

/** Messages in one direction. First all of them are compared and the code gets warm, then comes what counts. */
async function stream(connect, { size, burst, warmUp, duration }) {
  const connection = await connect();
  const replies = connection[Symbol.asyncIterator]();
  const ring = makeRing(size);
  const send = async (milliseconds) => {
    const count = await sendFor(connection, ring, burst, milliseconds);
    await connection.send(makeEnd(count));
    const { done } = await replies.next();
    if (done) throw new Error('the connection ended before the server had everything');
    return count;
  };
  const compared = await send(warmUp);
  const cpu = cpuSeconds();
  const begin = performance.now();
  const count = await send(duration);
  const seconds = (performance.now() - begin) / 1000;
  const spent = cpuSeconds() - cpu;
  await connection.close();
  return { compared, count, seconds, cpu: spent, checksum: checksumOf(ring, count) };
}

/** What the server must have come to. */
function checksumOf(ring, count) {
  const inspector = new Inspector(ring, false);
  for (let i = 0; i < count; i++) inspector.take(ring.messages[i & ring.mask]);
  return inspector.checksum;
}

async function sendFor(connection, { messages, mask }, burst, milliseconds) {
  const until = performance.now() + milliseconds;
  // the clock is read once in about 64 KiB
  const rounds = Math.max(1, Math.floor(65_536 / (messages[0].length * burst)));
  let count = 0;
  do {
    for (let round = 0; round < rounds; round++) {
      for (let i = 1; i < burst; i++) connection.send(messages[count++ & mask]);
      await connection.send(messages[count++ & mask]);
    }
  } while (performance.now() < until);
  return count;
}

/** One message there and back at a time. */
async function ping(connect, { size, warmUp, duration }) {
  const connection = await connect();
  const { messages, mask } = makeRing(size);
  const replies = connection[Symbol.asyncIterator]();
  const cpu = cpuSeconds();
  let compared = 0;
  const exchange = async () => {
    const message = messages[compared & mask];
    await connection.send(message);
    requireEcho(await replies.next(), message);
    compared++;
  };
  await repeatFor(warmUp, exchange);
  const times = [];
  await repeatFor(duration, async () => {
    const begin = performance.now();
    await exchange();
    times.push(performance.now() - begin);
  });
  await connection.close();
  return { compared, count: times.length, cpuOfAll: cpuSeconds() - cpu, ...latencies(times) };
}

/** Connections from opening to closing, each with one message there and back. */
async function connecting(connect, { size, lanes, warmUp, duration, isWarmUp }) {
  const { messages, mask } = makeRing(size);
  const cpu = cpuSeconds();
  let compared = 0;
  const once = async () => {
    const connection = await connect();
    const message = messages[compared++ & mask];
    await connection.send(message);
    requireEcho(await connection[Symbol.asyncIterator]().next(), message);
    await connection.close();
  };
  const inLanes = (isEnough) =>
    Promise.all(
      Array.from({ length: lanes }, async () => {
        do await once();
        while (!isEnough());
      }),
    );
  const begin = performance.now();
  const elapsed = () => performance.now() - begin;
  await inLanes(isWarmUp ? () => isWarm(compared, elapsed(), warmUp) : () => elapsed() >= duration);
  return { compared, seconds: elapsed() / 1000, cpuOfAll: cpuSeconds() - cpu };
}

/**
 * A handshake is much code, and each piece of it runs but once: JavaScript takes some 2,000 of them to come to the pace
 * of a server that has been up for a minute, native code none. Slow contenders are not waited for as long.
 */
function isWarm(connections, milliseconds, warmUp) {
  return milliseconds >= warmUp && (connections >= 2000 || milliseconds >= 6 * warmUp);
}

const held = [];

/** Connections that are used once and then kept open, in silence. */
async function idle(connect, { size, connections }) {
  const { messages, mask } = makeRing(size);
  let compared = 0;
  const lane = async () => {
    while (held.length + opening < connections) {
      opening++;
      const connection = await connect();
      const message = messages[compared++ & mask];
      await connection.send(message);
      requireEcho(await connection[Symbol.asyncIterator]().next(), message);
      opening--;
      held.push(connection);
    }
  };
  let opening = 0;
  await Promise.all(Array.from({ length: 16 }, lane));
  return { compared, count: held.length };
}

/** Many connections at once, each with one message on its way at a time. */
async function active(connect, { size, connections, warmUp, duration, close = false }) {
  const { messages, mask } = makeRing(size);
  const times = [];
  let compared = 0;
  const exchange = async ({ connection, replies }) => {
    const begin = performance.now();
    const message = messages[compared++ & mask];
    await connection.send(message);
    requireEcho(await replies.next(), message);
    times.push(performance.now() - begin);
  };
  // a connection is used once before others follow: of classic, a client knows no sooner that the server has done its part
  const all = [];
  while (all.length < connections) {
    const some = Math.min(16, connections - all.length);
    const opened = Array.from({ length: some }, async () => {
      const connection = await connect();
      const one = { connection, replies: connection[Symbol.asyncIterator]() };
      await exchange(one);
      return one;
    });
    all.push(...(await Promise.all(opened)));
  }
  const together = (milliseconds) =>
    Promise.all(all.map((one) => repeatFor(milliseconds, () => exchange(one))));
  await together(warmUp);
  times.length = 0;
  const begin = performance.now();
  await together(duration);
  const seconds = (performance.now() - begin) / 1000;
  const result = { compared, count: times.length, seconds, ...latencies(times) };
  const open = all.map(({ connection }) => connection);
  if (close) await Promise.all(open.map((connection) => connection.close()));
  else held.push(...open);
  return result;
}

async function repeatFor(milliseconds, step) {
  const until = performance.now() + milliseconds;
  do await step();
  while (performance.now() < until);
}

function requireEcho({ value, done }, message) {
  if (done) throw new Error('the connection ended before the echo came');
  if (Buffer.compare(value, message) !== 0) throw new Error('the echo differs from what was sent');
}

/** In microseconds. */
function latencies(times) {
  return { p50: 1000 * quantile(times, 0.5), p99: 1000 * quantile(times, 0.99) };
}
