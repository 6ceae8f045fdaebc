import { Identity, IdentityStore } from 'secure-sockets';
import { beforeAll, describe, expect, it, vi } from 'vitest';

// What an IndexedDB may do that the tests in a browser cannot make it do.

let identity: Identity;
beforeAll(async () => {
  identity = await Identity.generate({ role: 'client', modulusLength: 2048, extractable: false });
});

interface Settings {
  /** How a transaction ends whose requests have succeeded. */
  readonly end?: 'complete' | 'abort';
  readonly error?: unknown;
  readonly add?: 'success' | 'error';
  readonly transaction?: () => never;
}

/** A database that counts how often it is open. */
function databaseOf(settings: Settings): { factory: object; isComplete: boolean; open: number } {
  const { end = 'complete', add = 'success' } = settings;
  const state = { factory: {}, isComplete: false, open: 0 };
  const answer = (result: unknown, how: 'success' | 'error' = 'success'): Record<string, unknown> => {
    const request: Record<string, unknown> = { result, error: settings.error };
    setImmediate(() => (request[`on${how}`] as () => void)());
    return request;
  };
  const transaction = (): object => {
    settings.transaction?.();
    const made: Record<string, unknown> = { error: settings.error };
    const finish = (): void => {
      state.isComplete = end === 'complete';
      (made[`on${end}`] as () => void)();
    };
    const later = (request: object): object => {
      setTimeout(finish, 20);
      return request;
    };
    const addOne = (): object => later(answer('me', add));
    return Object.assign(made, {
      objectStore: () => ({ add: addOne, delete: () => later(answer(undefined)) }),
    });
  };
  const database = { transaction, close: () => state.open-- };
  state.factory = {
    open: () => {
      state.open++;
      return answer(database);
    },
  };
  return state;
}

describe('a store of identities', () => {
  it.each(['save', 'remove'] as const)('has done %s() when the transaction is complete', async (name) => {
    const state = databaseOf({});
    const store = new IdentityStore({ indexedDB: state.factory });
    await (name === 'save' ? store.save('me', identity) : store.remove('me'));
    expect(state).toMatchObject({ isComplete: true, open: 0 });
  });

  it('does not take for saved what the database could not keep after all', async () => {
    const error = new DOMException('no room', 'QuotaExceededError');
    const state = databaseOf({ end: 'abort', error });
    const store = new IdentityStore({ indexedDB: state.factory });
    await expect(store.save('me', identity)).rejects.toMatchObject({ code: 'BAD_IDENTITY', cause: error });
    expect(state.open).toBe(0);
  });

  it('tells that there is one of this name, though the transaction is aborted then too', async () => {
    const error = new DOMException('there', 'ConstraintError');
    const state = databaseOf({ add: 'error', end: 'abort', error });
    const saving = new IdentityStore({ indexedDB: state.factory }).save('me', identity);
    await expect(saving).rejects.toMatchObject({ code: 'BAD_IDENTITY' });
    expect(state.open).toBe(0);
  });

  it('closes a database that has no such store', async () => {
    const transaction = (): never => {
      throw new DOMException('no store', 'NotFoundError');
    };
    const state = databaseOf({ transaction });
    const store = new IdentityStore({ indexedDB: state.factory });
    await expect(store.save('me', identity)).rejects.toThrow('no store');
    expect(state.open).toBe(0);
  });

  it.each([
    ['denied', 'at once'],
    ['of a newer version', 'by the request'],
  ])('says so with a code if its database is %s, %s', async (reason, how) => {
    const error = new DOMException(reason);
    const request = { error, onerror: () => {} };
    const open = (): object => {
      if (how === 'at once') throw error;
      setImmediate(() => request.onerror());
      return request;
    };
    const store = new IdentityStore({ indexedDB: { open } });
    const refused = {
      code: 'BAD_IDENTITY',
      message: `the database "secure-sockets" cannot be used: ${reason}`,
      cause: error,
    };
    await expect(store.load('me')).rejects.toMatchObject(refused);
    await expect(store.save('me', identity)).rejects.toMatchObject(refused);
    await expect(store.remove('me')).rejects.toMatchObject(refused);
  });

  it('says so with the same code if its database gives no answer', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    try {
      const loading = new IdentityStore({ indexedDB: { open: () => ({}) } }).load('me');
      const refused = expect(loading).rejects.toMatchObject({
        code: 'BAD_IDENTITY',
        message: 'the database "secure-sockets" gave no answer within 10000 ms',
      });
      vi.advanceTimersByTime(10_000);
      await refused;
    } finally {
      vi.useRealTimers();
    }
  });

  it('takes an IndexedDB that a page may not even look at for none', () => {
    const denied = {
      configurable: true,
      get: () => {
        throw new DOMException('denied', 'SecurityError');
      },
    };
    Object.defineProperty(globalThis, 'indexedDB', denied);
    try {
      expect(() => new IdentityStore()).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }));
    } finally {
      Reflect.deleteProperty(globalThis, 'indexedDB');
    }
  });
});
