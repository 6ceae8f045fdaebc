// The messages, in a Redis stream that all processes append to and follow.
//
// A stream rather than PUBLISH: what is published while a process is not subscribed is gone, a stream can be read again
// from any place.
import { setTimeout } from 'node:timers/promises';
import { createClient } from '@redis/client';

const KEY = 'chat:log';
/** About how many messages are kept: a client that was away for longer misses older ones. */
const KEPT = 100_000;
/** How long the id of a message is remembered, in seconds. */
const REMEMBERED = 86_400;

// One step for both: a message is in the log if and only if its id is remembered.
const APPEND = `
  if redis.call('SET', KEYS[2], '1', 'NX', 'EX', ARGV[2]) then
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', 'message', ARGV[1])
  end
`;

export class Log {
  /** The place of the last message that `follow` has given. */
  last = '0-0';
  #commands;
  #reader;

  static async open(url) {
    const log = new Log();
    log.#commands = await connectTo(url);
    // a connection of its own, since XREAD BLOCK blocks it
    log.#reader = await connectTo(url);
    const [newest] = await log.#commands.xRevRange(KEY, '+', '-', { COUNT: 1 });
    if (newest) log.last = newest.id;
    return log;
  }

  /** Appends a message unless it is there already; settles when Redis has it. */
  async append(message) {
    await this.#commands.eval(APPEND, {
      keys: [KEY, `chat:id:${message.id}`],
      arguments: [JSON.stringify(message), String(REMEMBERED), String(KEPT)],
    });
  }

  /** Messages behind one place up to another, some at a time. */
  async *between(after, upTo) {
    for (let from = after; ; ) {
      const entries = await this.#commands.xRange(KEY, `(${from}`, upTo, { COUNT: 100 });
      yield* entries.map(parse);
      if (entries.length < 100) return;
      from = entries.at(-1).id;
    }
  }

  /** Gives every new message, whichever process appended it, also after a time without Redis. */
  async follow(take) {
    for (;;) {
      for (const entry of await this.#next()) {
        this.last = entry.id;
        take(parse(entry));
      }
    }
  }

  /** The next entries; none while Redis cannot be reached. */
  async #next() {
    try {
      const streams = await this.#reader.xRead({ key: KEY, id: this.last }, { BLOCK: 0, COUNT: 100 });
      return streams?.[0]?.messages ?? [];
    } catch (error) {
      console.error(`redis: ${error.message || error.code}`);
      await setTimeout(200);
      return [];
    }
  }
}

function parse({ id, message }) {
  return { ...JSON.parse(message.message), place: id };
}

async function connectTo(url) {
  const client = createClient({ url });
  client.on('error', (error) => console.error(`redis: ${error.message || error.code}`));
  return await client.connect();
}
