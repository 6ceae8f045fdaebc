import { Sessions } from 'secure-sockets';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { noble } from '../backends/noble.js';
import { node } from '../backends/node.js';
import type { Backend } from '../src/backend.js';
import type { IssuedTicket } from '../src/core/sealed/resumption.js';
import { sessionsAccess } from '../src/sessions/access.js';
import { Sessions as Store } from '../src/sessions/sessions.js';
import { TicketKeys } from '../src/sessions/ticket-keys.js';

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;

beforeEach(() => vi.useFakeTimers({ now: 1_800_000_000_000 }));
afterEach(() => vi.useRealTimers());

const name = (target: string, identity?: string): { target: string; identity: string | undefined } => ({
  target,
  identity,
});
const peerOf = (fingerprint: string): IssuedTicket['peer'] => ({ spki: Uint8Array.of(1), fingerprint });

/** A ticket that can be told from others by its first byte. */
function ticket(mark = 1, of: Partial<IssuedTicket> = {}): IssuedTicket {
  return {
    ...{ ticket: Uint8Array.of(mark), psk: new Uint8Array(32).fill(7), peer: peerOf('A') },
    ...{ seconds: DAY / SECOND, resumed: false, ...of },
  };
}

const isWiped = ({ psk }: { psk: Uint8Array }): boolean => psk.every((byte) => byte === 0);

describe('Sessions', () => {
  const { keep, take, servers } = {
    keep: (store: Store, one: IssuedTicket, target = 'here', since = Date.now()): void =>
      sessionsAccess.keep(store, name(target), one, since),
    take: (store: Store, target = 'here', fingerprint = 'A'): number | undefined =>
      sessionsAccess.take(store, name(target), fingerprint)?.ticket[0],
    servers: (store: Store, target = 'here'): string[] =>
      sessionsAccess.servers(store, name(target)).map(({ fingerprint }) => fingerprint),
  };

  it('are what the package exports', () => expect(Sessions.name).toBe(Store.name));

  it('give each ticket once, the last one first', () => {
    const store = new Store();
    for (const mark of [1, 2]) keep(store, ticket(mark));
    expect([take(store), take(store), take(store), store.size]).toEqual([2, 1, undefined, 0]);
  });

  it('hold four of a server, and wipe the oldest for a fifth', () => {
    const store = new Store();
    const tickets = [1, 2, 3, 4, 5].map((mark) => ticket(mark));
    for (const one of tickets) keep(store, one);
    expect(store.size).toBe(4);
    expect(tickets.map(isWiped)).toEqual([true, false, false, false, false]);
    expect([take(store), take(store), take(store), take(store), take(store)]).toEqual([
      5,
      4,
      3,
      2,
      undefined,
    ]);
  });

  it('hold a thousand in all, and give up those of the server least recently used', () => {
    const store = new Store();
    const first = ticket(1);
    keep(store, first, 'first');
    const second = ticket(2);
    keep(store, second, 'second');
    for (let i = 0; i < 998; i++) keep(store, ticket(), `${i}`);
    expect(store.size).toBe(1000);
    // another ticket of the first makes it the one used last
    keep(store, ticket(3), 'first');
    expect(store.size).toBe(1000);
    expect([isWiped(first), isWiped(second)]).toEqual([false, true]);
    expect([take(store, 'first'), take(store, 'first'), take(store, 'second')]).toEqual([3, 1, undefined]);
  });

  it('tell targets, identities and servers apart', () => {
    const store = new Store();
    sessionsAccess.keep(store, name('here', 'me'), ticket(1), Date.now());
    sessionsAccess.keep(store, name('here', 'you'), ticket(2), Date.now());
    keep(store, ticket(3));
    keep(store, ticket(4, { peer: peerOf('B') }));
    keep(store, ticket(5), 'there');
    expect(servers(store)).toEqual(['B', 'A']);
    expect(take(store, 'here', 'A')).toBe(3);
    expect(take(store, 'here', 'A')).toBe(undefined);
    expect(take(store, 'here', 'B')).toBe(4);
    expect(sessionsAccess.take(store, name('here', 'me'), 'A')?.ticket[0]).toBe(1);
    expect(sessionsAccess.take(store, name('here', 'you'), 'A')?.ticket[0]).toBe(2);
    expect(take(store, 'there')).toBe(5);
  });

  it('wipe a ticket when the server says that its chain ends, asked or not', () => {
    const store = new Store();
    const [brief, long] = [ticket(1, { seconds: 60 }), ticket(2, { seconds: 120 })];
    keep(store, long);
    keep(store, brief);
    vi.advanceTimersByTime(60 * SECOND - 1);
    expect([isWiped(brief), isWiped(long)]).toEqual([false, false]);
    vi.advanceTimersByTime(1);
    expect([isWiped(brief), isWiped(long)]).toEqual([true, false]);
    vi.advanceTimersByTime(60 * SECOND);
    expect([isWiped(long), store.size]).toEqual([true, 0]);
  });

  it('end a chain a day after its full handshake, whatever a server says', () => {
    const store = new Store();
    const since = Date.now();
    keep(store, ticket(1), 'here', since);
    vi.advanceTimersByTime(DAY - HOUR);
    // the server goes on to promise a day
    const later = ticket(2);
    keep(store, later, 'here', since);
    expect(store.size).toBe(2);
    vi.advanceTimersByTime(HOUR - 1);
    expect(isWiped(later)).toBe(false);
    vi.advanceTimersByTime(1);
    expect([isWiped(later), take(store)]).toEqual([true, undefined]);
  });

  it('drop what comes from a time that has not come, after the clock was set back', () => {
    const store = new Store();
    const one = ticket(1);
    keep(store, one);
    vi.setSystemTime(Date.now() - 1);
    expect([take(store), isWiped(one)]).toEqual([undefined, true]);
  });

  it('wipe everything when told to forget', () => {
    const store = new Store();
    const tickets = [ticket(1), ticket(2, { peer: peerOf('B') })];
    for (const one of tickets) keep(store, one);
    store.clear();
    expect([store.size, ...tickets.map(isWiped)]).toEqual([0, true, true]);
  });
});

describe.each([node, noble])('ticket keys on $name', (backend: Backend) => {
  const serverHash = new Uint8Array(32).fill(3);
  const keysOf = (
    options: { lifetime?: number; shared?: Uint8Array[]; serverHash?: Uint8Array } = {},
  ): TicketKeys => new TicketKeys({ backend, serverHash, lifetime: 8 * HOUR, ...options });
  const spki = Uint8Array.of(4, 5, 6);
  const content = (since?: number): { psk: Uint8Array; since: number | undefined; spki: Uint8Array } => ({
    ...{ psk: new Uint8Array(32).fill(9), since, spki },
  });
  const seal = (keys: TicketKeys, since?: number): Uint8Array =>
    keys.seal(content(since))?.ticket ?? expect.fail('no ticket');
  const nameOf = (one: Uint8Array): string => Buffer.from(one.subarray(0, 16)).toString('hex');

  it('give back what they took, and the time when the chain began', () => {
    const keys = keysOf();
    const since = Date.now() - 5 * SECOND - 250;
    expect(keys.open(seal(keys))).toEqual(content(Date.now()));
    expect(keys.open(seal(keys, since))).toEqual(content(since));
  });

  it('say how many seconds are left, and give none when none is', () => {
    const keys = keysOf({ lifetime: 10 * SECOND });
    expect(keys.seal(content())?.seconds).toBe(10);
    expect(keys.seal(content(Date.now() - 2500))?.seconds).toBe(7);
    expect(keys.seal(content(Date.now() - 9001))).toBe(undefined);
    expect(keysOf({ lifetime: 0 }).seal(content())).toBe(undefined);
  });

  it('take no ticket whose chain has ended, and none from the future', () => {
    // shared, so that the key is still there
    const keys = keysOf({ shared: [new Uint8Array(32).fill(1)] });
    const one = seal(keys);
    vi.setSystemTime(Date.now() - 1);
    expect(keys.open(one)).toBe(undefined);
    vi.setSystemTime(Date.now() + 8 * HOUR);
    expect(keys.open(one)).toEqual(expect.objectContaining({ spki }));
    vi.setSystemTime(Date.now() + 1);
    expect(keys.open(one)).toBe(undefined);
  });

  it('make no two tickets alike, nor under one derived key', () => {
    const keys = keysOf({ shared: [new Uint8Array(32).fill(1)] });
    const [one, two] = [seal(keys), seal(keys)];
    expect(nameOf(one)).toBe(nameOf(two));
    expect(one.subarray(16, 48)).not.toEqual(two.subarray(16, 48));
    expect(one.subarray(48)).not.toEqual(two.subarray(48));
    expect(keys.open(Buffer.concat([one.subarray(0, 48), two.subarray(48)]))).toBe(undefined);
    // the name is as much a part of the ticket as the rest
    const renamed = one.slice();
    renamed[3] = (renamed[3] as number) ^ 1;
    expect(keys.open(renamed)).toBe(undefined);
  });

  it('say nothing in clear of whom a ticket is for', () => {
    const keys = keysOf();
    const psk = node.randomBytes(32);
    const shown = node.randomBytes(294);
    const one = Buffer.from(keys.seal({ psk, since: undefined, spki: shown })?.ticket as Uint8Array);
    expect([psk, shown, serverHash].map((secret) => one.includes(Buffer.from(secret)))).toEqual([
      false,
      false,
      false,
    ]);
  });

  it('are bound to the RSA key of the server', () => {
    const shared = [new Uint8Array(32).fill(1)];
    const one = seal(keysOf({ shared }));
    expect(keysOf({ shared }).open(one)).toEqual(expect.objectContaining({ spki }));
    expect(keysOf({ shared, serverHash: new Uint8Array(32) }).open(one)).toBe(undefined);
  });

  it('wipe the secret of a ticket that they do not take', () => {
    const shared = [new Uint8Array(32).fill(1)];
    const one = seal(keysOf({ shared }));
    const secret = Buffer.from(content().psk);
    const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array;
    const { fill } = typedArray;
    let wiped = 0;
    const spy = vi.spyOn(typedArray, 'fill').mockImplementation(function (this: Uint8Array, ...given) {
      if (given[0] === 0 && this instanceof Uint8Array && secret.equals(this)) wiped++;
      return fill.apply(this, given);
    });
    const taken = keysOf({ shared }).open(one);
    const wipedOfTaken = wiped;
    const refused = keysOf({ shared, serverHash: new Uint8Array(32) }).open(one);
    spy.mockRestore();
    expect([taken?.spki, wipedOfTaken, refused, wiped]).toEqual([spki, 0, undefined, 1]);
  });

  it('change every hour, and an old one is forgotten when its last ticket has expired', () => {
    const keys = keysOf({ lifetime: 2 * HOUR });
    const first = seal(keys);
    vi.advanceTimersByTime(HOUR - 1);
    const last = seal(keys);
    expect(nameOf(last)).toBe(nameOf(first));
    vi.advanceTimersByTime(1);
    const next = seal(keys);
    expect(nameOf(next)).not.toBe(nameOf(first));
    expect(keys.open(last)).toEqual(expect.objectContaining({ spki }));
    vi.advanceTimersByTime(2 * HOUR - 2);
    expect(keys.open(last)).toEqual(expect.objectContaining({ spki }));
    vi.advanceTimersByTime(1);
    // by the clock the ticket of a chain that began now would still do: it is the key that has gone
    const past = Date.now();
    vi.setSystemTime(past - 1000);
    expect(keys.open(last)).toBe(undefined);
  });

  it('go when the clock was set back, and do not wait until it has caught up', () => {
    const keys = keysOf();
    const first = seal(keys);
    vi.setSystemTime(Date.now() - 365 * 24 * HOUR);
    const timers = vi.spyOn(globalThis, 'setTimeout');
    vi.advanceTimersByTime(8 * HOUR + 1000);
    const delays = timers.mock.calls.map(([, delay]) => delay as number);
    timers.mockRestore();
    expect(Math.max(0, ...delays)).toBeLessThan(2 ** 31);
    expect(nameOf(seal(keys))).not.toBe(nameOf(first));
    expect(keys.open(first)).toBe(undefined);
  });

  it('that are shared neither change nor go: the first encrypts, all decrypt', () => {
    const [old, young] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
    const before = keysOf({ shared: [old] });
    const [one, now] = [seal(before), keysOf({ shared: [young, old] })];
    expect(now.open(one)).toEqual(expect.objectContaining({ spki }));
    expect(before.open(seal(now))).toBe(undefined);
    vi.advanceTimersByTime(7 * HOUR);
    expect(nameOf(seal(now))).toBe(nameOf(seal(keysOf({ shared: [young] }))));
    expect(now.open(one)).toEqual(expect.objectContaining({ spki }));
    vi.advanceTimersByTime(20 * HOUR);
    // of another process that was started since
    for (const key of [old, young])
      expect(now.open(seal(keysOf({ shared: [key] })))).toEqual(expect.objectContaining({ spki }));
  });

  it('are a copy of what was handed over, and are forgotten at the end', () => {
    const handed = new Uint8Array(32).fill(1);
    const keys = keysOf({ shared: [handed] });
    const one = seal(keys);
    handed.fill(0);
    expect(keys.open(one)).toEqual(expect.objectContaining({ spki }));
    keys.close();
    expect([keys.open(one), keys.seal(content())]).toEqual([undefined, undefined]);
    const alone = keysOf();
    const another = seal(alone);
    alone.close();
    expect([alone.open(another), alone.seal(content())]).toEqual([undefined, undefined]);
  });

  it.each([0, 1, 15, 16, 47, 63])('take %i bytes for no ticket', (length) => {
    const keys = keysOf();
    expect(keys.open(seal(keys).slice(0, length))).toBe(undefined);
    expect(keys.open(new Uint8Array(length))).toBe(undefined);
  });
});
