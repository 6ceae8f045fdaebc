import { Conversation, sendOne } from './conversation.mjs';
import { Inspector, makeRing } from './ring.mjs';
import { quantile } from './statistics.mjs';
import { cpuSeconds, makeEnd } from './wire.mjs';

/** The work of a client; each function resolves to plain figures. `connect()` opens a connection to the server. */
export const works = { stream, ping, connect: connectRepeatedly, firstAnswer, idle, active };

/** Messages in one direction. During the warm-up all of them are compared; then the measurement begins. */
async function stream(connect, { size, burst, warmUp, duration }) {
  const connection = await connect();
  const conversation = new Conversation(connection);
  const ring = makeRing(size);
  const send = async (milliseconds) => {
    const count = await sendFor(connection, ring, burst, milliseconds);
    await conversation.exchange(
      () => makeEnd(count),
      () => false,
    );
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

/** The counters that the server must reach. */
function checksumOf(ring, count) {
  const inspector = new Inspector(ring, false);
  for (let i = 0; i < count; i++) inspector.take(ring.messages[i & ring.mask]);
  return inspector.checksum;
}

async function sendFor(connection, { messages, mask }, burst, milliseconds) {
  const until = performance.now() + milliseconds;
  // the clock is read about once per 64 KiB
  const rounds = Math.max(1, Math.floor(65_536 / (messages[0].length * burst)));
  let count = 0;
  do {
    for (let round = 0; round < rounds; round++) {
      for (let i = 1; i < burst; i++) sendOne(connection, messages[count++ & mask]);
      const waiting = sendOne(connection, messages[count++ & mask]);
      if (waiting !== undefined) await waiting;
    }
  } while (performance.now() < until);
  return count;
}

/** One round trip at a time. */
async function ping(connect, { size, warmUp, duration }) {
  const connection = await connect();
  const echo = new Echo(connection, makeRing(size));
  const cpu = cpuSeconds();
  if (warmUp > 0) await echo.runFor(warmUp);
  const times = [];
  await echo.runFor(duration, times);
  await connection.close();
  return { compared: echo.count, count: times.length, cpuOfAll: cpuSeconds() - cpu, ...latencies(times) };
}

/** Round trips on one connection, each compared, and each timed on request. */
class Echo {
  count = 0;
  #conversation;
  #ring;
  #message;
  #begin;

  constructor(connection, ring) {
    this.#conversation = new Conversation(connection);
    this.#ring = ring;
  }

  once() {
    return this.#conversation.exchange(this.#next, (reply) => {
      this.#compare(reply);
      return false;
    });
  }

  runFor(milliseconds, times) {
    const until = performance.now() + milliseconds;
    return this.#conversation.exchange(this.#next, (reply) => {
      const now = performance.now();
      times?.push(now - this.#begin);
      this.#compare(reply);
      return now < until;
    });
  }

  #next = () => {
    this.#message = this.#ring.messages[this.count++ & this.#ring.mask];
    this.#begin = performance.now();
    return this.#message;
  };

  #compare(reply) {
    if (Buffer.compare(reply, this.#message) !== 0) throw new Error('the echo differs from what was sent');
  }
}

/**
 * Connections from opening to closing, each with one round trip: for a number of milliseconds, or exactly `first` of
 * them.
 */
async function connectRepeatedly(connect, { size, lanes, first, warmUp, duration, isWarmUp }) {
  const ring = makeRing(size);
  const cpu = cpuSeconds();
  let compared = 0;
  const once = async () => {
    compared++;
    const connection = await connect();
    await new Echo(connection, ring).once();
    await connection.close();
  };
  const inLanes = (isEnough) =>
    Promise.all(
      Array.from({ length: lanes }, async () => {
        while (!isEnough()) await once();
      }),
    );
  const begin = performance.now();
  const measureElapsed = () => performance.now() - begin;
  if (first !== undefined) await inLanes(() => compared >= first);
  else if (isWarmUp) await inLanes(() => isWarm(compared, measureElapsed(), warmUp));
  else await inLanes(() => measureElapsed() >= duration);
  return { compared, seconds: measureElapsed() / 1000, cpuOfAll: cpuSeconds() - cpu };
}

/**
 * A handshake runs much code once: JavaScript needs about 2,000 handshakes to reach the speed of a server that has
 * been up for a minute, native code none. Slow contenders get a shorter warm-up.
 */
function isWarm(connections, milliseconds, warmUp) {
  return milliseconds >= warmUp && (connections >= 2000 || milliseconds >= 6 * warmUp);
}

/** From the call of `connect()` to the first answer, one connection after the other. The first few are not counted. */
async function firstAnswer(connect, { size, connections, uncounted = 5 }) {
  const ring = makeRing(size);
  const times = [];
  for (let i = 0; i < uncounted + connections; i++) {
    const begin = performance.now();
    const connection = await connect();
    await new Echo(connection, ring).once();
    if (i >= uncounted) times.push(performance.now() - begin);
    await connection.close();
  }
  return { compared: uncounted + connections, ...latencies(times) };
}

const held = [];

/** Connections that are used once and then kept open, idle. */
async function idle(connect, { size, connections }) {
  const ring = makeRing(size);
  let compared = 0;
  let opening = 0;
  const lane = async () => {
    while (held.length + opening < connections) {
      opening++;
      compared++;
      const connection = await connect();
      await new Echo(connection, ring).once();
      opening--;
      held.push(connection);
    }
  };
  await Promise.all(Array.from({ length: 16 }, lane));
  return { compared, count: held.length };
}

/** Many connections at a time, each with one round trip at a time. */
async function active(connect, { size, connections, warmUp, duration, close = false }) {
  const ring = makeRing(size);
  // each connection is used once before the next is opened: a classic client does not know earlier that the server
  // has completed the handshake
  const all = [];
  while (all.length < connections) {
    const some = Math.min(16, connections - all.length);
    const opened = Array.from({ length: some }, async () => {
      const connection = await connect();
      const echo = new Echo(connection, ring);
      await echo.once();
      return { connection, echo };
    });
    all.push(...(await Promise.all(opened)));
  }
  const together = (milliseconds, times) =>
    Promise.all(all.map(({ echo }) => echo.runFor(milliseconds, times)));
  await together(warmUp);
  const times = [];
  const cpu = cpuSeconds();
  const begin = performance.now();
  await together(duration, times);
  const seconds = (performance.now() - begin) / 1000;
  const spent = cpuSeconds() - cpu;
  const compared = all.reduce((sum, { echo }) => sum + echo.count, 0);
  const open = all.map(({ connection }) => connection);
  if (close) await Promise.all(open.map((connection) => connection.close()));
  else held.push(...open);
  return { compared, count: times.length, seconds, cpu: spent, ...latencies(times) };
}

/** In microseconds. */
function latencies(times) {
  return { p50: 1000 * quantile(times, 0.5), p99: 1000 * quantile(times, 0.99) };
}
