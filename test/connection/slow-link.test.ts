import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Heartbeat, type HeartbeatSettings } from '../../src/connection/heartbeat.js';
import { Random } from '../helpers/random.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const STEP = 50;
const SIGN = 20;

/** One direction of a link whose buffers take everything at once, and let it through slowly and in order. */
class Direction {
  readonly #queue: { left: number; arrived: () => void }[] = [];
  readonly #arrived: (() => void)[] = [];

  write(bytes: number, arrived: () => void = () => {}): void {
    this.#queue.push({ left: bytes, arrived });
  }

  /** What has arrived as a whole is known once its bytes are there. */
  settle(): void {
    for (const arrived of this.#arrived.splice(0)) arrived();
  }

  /** Lets so many bytes through. Returns how many there were. */
  carry(room: number): number {
    let carried = 0;
    for (let [first] = this.#queue; first !== undefined && carried < room; [first] = this.#queue) {
      const part = Math.min(first.left, room - carried);
      carried += part;
      first.left -= part;
      if (first.left > 0) break;
      this.#arrived.push(first.arrived);
      this.#queue.shift();
    }
    return carried;
  }
}

interface End {
  readonly heartbeat: Heartbeat;
  readonly out: Direction;
  /** When bytes of its own last arrived. */
  arrivedAtPeer: number;
  diedAt: number | undefined;
  /** PONGs that no one asked for. */
  pongs: number;
  answer(): void;
}

/** Two ends, each with a PING and PONG of its own, over a link that hides from a sender what its peer has taken. */
function pair(settings: Partial<HeartbeatSettings>): [End, End] {
  const make = (other: () => End): End => {
    const out = new Direction();
    const write = (arrived?: () => void): void => {
      out.write(SIGN, arrived);
      end.heartbeat.onWrite();
    };
    const actions = {
      ping: () => write(() => other().answer()),
      pong: () => {
        end.pongs++;
        write(() => other().heartbeat.onAnswered(SIGN));
      },
      unsent: () => 0,
    };
    const die = (): void => {
      end.diedAt = performance.now();
      end.heartbeat.stop();
    };
    const all = { pingInterval: 30_000, pingTimeout: 20_000, idleTimeout: 0, ...settings };
    const heartbeat = new Heartbeat(all, actions, die, true);
    const end: End = {
      heartbeat,
      out,
      arrivedAtPeer: 0,
      diedAt: undefined,
      pongs: 0,
      answer: () => write(() => other().heartbeat.onAnswered(SIGN)),
    };
    return end;
  };
  const ends: [End, End] = [make(() => ends[1]), make(() => ends[0])];
  return ends;
}

function run(ends: [End, End], milliseconds: number, rates: () => [number, number]): void {
  for (let time = 0; time < milliseconds; time += STEP) {
    const [there, back] = rates();
    for (const [from, to, rate] of [
      [ends[0], ends[1], there],
      [ends[1], ends[0], back],
    ] as const) {
      const bytes = from.out.carry((rate * STEP) / 1000);
      if (bytes === 0) continue;
      if (from.diedAt === undefined && to.diedAt === undefined) from.arrivedAtPeer = performance.now();
      to.heartbeat.onReceive(bytes);
      from.out.settle();
    }
    vi.advanceTimersByTime(STEP);
  }
}

it.each([{}, { pingInterval: 1000, pingTimeout: 19_000 }, { pingInterval: 19_999, pingTimeout: 1 }])(
  'a record of 1 MiB at 20 kB/s kills no end, though every PING waits behind it: %o',
  (settings) => {
    const ends = pair(settings);
    for (let i = 0; i < 20; i++) ends[0].out.write(2 ** 20);
    run(ends, 1_000_000, () => [20_000, 20_000]);
    expect(ends.map((end) => end.diedAt)).toEqual([undefined, undefined]);
  },
);

it.each([1, 2, 5, 20, 60])(
  'nor do %d bytes a second, though a PONG may take longer than its turn',
  (rate) => {
    for (const directions of [1, 2]) {
      const ends = pair({ pingInterval: 1000, pingTimeout: 19_000 });
      for (const { out } of ends.slice(0, directions)) out.write(2 ** 20);
      let credit = 0;
      run(ends, 600_000, () => {
        credit += (rate * STEP) / 1000;
        const whole = Math.floor(credit);
        credit -= whole;
        return [(whole * 1000) / STEP, (whole * 1000) / STEP];
      });
      expect(ends.map((end) => end.diedAt)).toEqual([undefined, undefined]);
    }
  },
);

it.each([0, 1000])(
  'two ends do not answer the PONGs of each other for ever, with pingInterval %d',
  (pingInterval) => {
    const ends = pair({ pingInterval });
    ends[0].out.write(30);
    run(ends, 600_000, () => [20_000, 20_000]);
    expect(ends.map(({ pongs }) => pongs)).toEqual([0, pingInterval === 0 ? 1 : 0]);
  },
);

it('no end dies while bytes move in either direction, however the link stutters', () => {
  const random = new Random(1);
  let deaths = 0;
  for (let round = 0; round < 200; round++) {
    const pingInterval = 1 + random.below(30_000);
    const pingTimeout = Math.max(1, 20_000 - pingInterval) + random.below(5000);
    const ends = pair({ pingInterval, pingTimeout });
    for (const end of ends) if (random.below(3) > 0) end.out.write(2 ** 22);
    run(ends, 300_000, makeStutter(random));
    for (const [end, other] of [ends, ends.toReversed()] as [End, End][]) {
      if (end.diedAt === undefined) continue;
      deaths++;
      // what it was owed for bytes that have arrived at its peer would have come in time
      expect(end.diedAt - end.arrivedAtPeer).toBeGreaterThanOrEqual(10_000 - 2 * STEP);
      expect(end.diedAt - other.arrivedAtPeer).toBeGreaterThanOrEqual(20_000 - 2 * STEP);
    }
  }
  // otherwise nothing would have been shown
  expect(deaths).toBeGreaterThan(20);
});

/** Both directions stand still together, up to half a minute, or each carries something. */
function makeStutter(random: Random): () => [number, number] {
  let until = 0;
  let rates: [number, number] = [0, 0];
  return () => {
    if (performance.now() >= until) {
      until = performance.now() + random.below(30_000);
      rates = random.below(2) === 0 ? [0, 0] : [2000 + random.below(40_000), 2000 + random.below(40_000)];
    }
    return rates;
  };
}
