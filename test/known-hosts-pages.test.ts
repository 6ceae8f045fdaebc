import { afterEach, describe, expect, it, vi } from 'vitest';
import { PortableKnownHosts, type StoredHosts } from '../src/trust/known-hosts.js';
import type { WebStorage } from '../src/trust/line-store.js';

// Pages are objects here that know nothing of each other but their storage; real ones are in browser.test.ts.

const key = `SHA256:${'A'.repeat(43)}`;

function emptyStorage(): WebStorage {
  const texts = new Map<string, string>();
  return { getItem: (name) => texts.get(name) ?? null, setItem: (name, text) => void texts.set(name, text) };
}

/** As much of Web Locks as counts: one at a time of a name. */
class FakeLocks {
  readonly names: string[] = [];
  #last: Promise<unknown> = Promise.resolve();

  request(name: string, options: { signal: AbortSignal }, run: () => Promise<void>): Promise<void> {
    this.names.push(name);
    const given = this.#last.then(() => (options.signal.aborted ? undefined : run()));
    this.#last = given;
    const aborted = new Promise<never>((_, reject) =>
      options.signal.addEventListener('abort', () => reject(options.signal.reason)),
    );
    return Promise.race([given, aborted]);
  }
}

async function addFromPages(storage: WebStorage): Promise<void> {
  const pages = Array.from({ length: 5 }, () => new PortableKnownHosts({ storage }));
  await Promise.all(pages.map((page, index) => page.add(`host-${index}`, 443, key)));
}

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('pages that add known hosts to one storage at the same time', () => {
  it('lose no line where the platform has locks', async () => {
    const locks = new FakeLocks();
    vi.stubGlobal('navigator', { locks });
    const storage = emptyStorage();
    await addFromPages(storage);
    const hosts = (await new PortableKnownHosts({ storage }).list()).map(({ host }) => host);
    expect(hosts.sort()).toEqual(['host-0', 'host-1', 'host-2', 'host-3', 'host-4']);
    expect(new Set(locks.names)).toEqual(new Set(['secure-sockets: secure-sockets.known-hosts']));
  });

  it('keep the lock for a moment, which other pages need to see the change', async () => {
    let isHeld = false;
    const request = async (_: string, __: object, run: () => Promise<void>): Promise<void> => {
      isHeld = true;
      await run();
      isHeld = false;
    };
    vi.stubGlobal('navigator', { locks: { request } });
    vi.useFakeTimers();
    await new PortableKnownHosts({ storage: emptyStorage() }).add('here', 443, key);
    expect(isHeld).toBe(true);
    await vi.advanceTimersByTimeAsync(100);
    expect(isHeld).toBe(false);
  });

  it('are told of one that never finishes', async () => {
    const locks = new FakeLocks();
    void locks.request('', new AbortController(), () => new Promise(() => {}));
    vi.stubGlobal('navigator', { locks });
    vi.useFakeTimers();
    const storage = emptyStorage();
    const added = expect(new PortableKnownHosts({ storage }).add('here', 443, key)).rejects.toMatchObject({
      code: 'BUSY',
      message: expect.stringContaining('another page of this site'),
    });
    await vi.advanceTimersByTimeAsync(10_000);
    await added;
    expect(await new PortableKnownHosts({ storage }).list()).toEqual([]);
  });

  it('get an error of the storage, and the others their turn', async () => {
    vi.stubGlobal('navigator', { locks: new FakeLocks() });
    const setItem = vi.fn(() => {
      throw new Error('the quota has been exceeded');
    });
    const hosts = new PortableKnownHosts({ storage: { ...emptyStorage(), setItem } });
    await expect(hosts.add('one', 443, key)).rejects.toThrow('quota');
    await expect(hosts.add('two', 443, key)).rejects.toThrow('quota');
    expect(setItem).toHaveBeenCalledTimes(2);
  });
});

it('a storage that a page is denied, or that is full, is told of with a code', async () => {
  const cause = new DOMException('denied', 'SecurityError');
  const deny = (): never => {
    throw cause;
  };
  const refused = {
    code: 'BAD_OPTION',
    message: 'the storage of known hosts cannot be used: denied',
    cause,
  };
  const unread = new PortableKnownHosts({ storage: { ...emptyStorage(), getItem: deny } });
  await expect(unread.list()).rejects.toMatchObject(refused);
  const full = new PortableKnownHosts({ storage: { ...emptyStorage(), setItem: deny } });
  await expect(full.add('here', 443, key)).rejects.toMatchObject(refused);
});

it('a page that may not have locks adds without', async () => {
  vi.stubGlobal('navigator', { locks: { request: () => Promise.reject(new Error('not in a sandbox')) } });
  const storage = emptyStorage();
  await new PortableKnownHosts({ storage }).add('here', 443, key);
  expect(await new PortableKnownHosts({ storage }).list()).toMatchObject([{ host: 'here' }]);
});

describe('several lists over one place, in one process', () => {
  let text = '';
  const load = async (): Promise<string> => text;
  const save = async (changed: string): Promise<void> => {
    await Promise.resolve();
    text = changed;
  };
  class Database {
    load = (): string => text;
    save(changed: string): Promise<void> {
      return save(changed);
    }
  }
  const database = new Database();
  const storage = emptyStorage();
  const places: [string, () => StoredHosts][] = [
    ['an object of its functions for each', () => ({ load, save })],
    ['an object with methods', () => database],
    ['a storage, without locks', () => ({ storage })],
  ];

  it.each(places)('add at the same time and lose no line: %s', async (_, place) => {
    text = '';
    vi.stubGlobal('navigator', {});
    const names = Array.from({ length: 5 }, (__, index) => `host-${index}`);
    await Promise.all(names.map((name) => new PortableKnownHosts(place()).add(name, 443, key)));
    const kept = (await new PortableKnownHosts(place()).list()).map(({ host }) => host);
    expect(kept.sort()).toEqual(names);
  });
});
