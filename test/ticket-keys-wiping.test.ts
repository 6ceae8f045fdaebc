import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { node } from '../backends/node.js';
import type { Backend } from '../src/backend.js';
import { TicketKeys } from '../src/sessions/ticket-keys.js';

const HOUR = 3_600_000;

beforeEach(() => vi.useFakeTimers({ now: 1_800_000_000_000 }));
afterEach(() => vi.useRealTimers());

/** The node backend, and all memory with a secret in it that it has given or was given, by what it is. */
function watch(): { backend: Backend; left: () => string[]; ticketKeys: () => boolean[] } {
  const seen: [string, Uint8Array][] = [];
  const note = <Secret extends Uint8Array>(name: string, secret: Secret): Secret => {
    seen.push([name, secret]);
    return secret;
  };
  const isWiped = (secret: Uint8Array): boolean => secret.every((byte) => byte === 0);
  const backend: Backend = {
    ...node,
    hkdfExtract: (salt, secret) => {
      note('ticket key', secret);
      return note('extracted', node.hkdfExtract(salt, secret));
    },
    hkdfExpand: (prk, info, length) => {
      const derived = node.hkdfExpand(prk, info, length);
      // names are on the wire
      return length === 16 ? derived : note('key of a ticket', derived);
    },
    aesGcm: (key) => {
      const aead = node.aesGcm(key);
      return {
        seal: (nonce, data, plaintext, header) => {
          for (const part of plaintext) note('content', part);
          return aead.seal(nonce, data, plaintext, header);
        },
        open: (nonce, data, ciphertext) => {
          const plaintext = aead.open(nonce, data, ciphertext);
          return plaintext && note('content', plaintext);
        },
      };
    },
  };
  return {
    backend,
    left: () => seen.filter(([, secret]) => !isWiped(secret)).map(([name]) => name),
    ticketKeys: () =>
      [...new Set(seen.filter(([name]) => name === 'ticket key').map(([, one]) => one))].map(isWiped),
  };
}

const serverHash = new Uint8Array(32).fill(3);
const content = { psk: new Uint8Array(32).fill(9), since: undefined, spki: Uint8Array.of(4) };

describe('of what ticket keys hold', () => {
  it('nothing is left but the keys themselves, once a ticket is made or read', () => {
    const { backend, left } = watch();
    const keys = new TicketKeys({ backend, serverHash, lifetime: HOUR });
    const { ticket } = keys.seal(content) ?? expect.fail('no ticket');
    expect(keys.open(ticket)).toMatchObject({ psk: content.psk });
    expect(new Set(left())).toEqual(new Set(['ticket key']));
  });

  it('a key is overwritten when its last ticket has expired, and the one behind it in its turn', () => {
    const { backend, ticketKeys } = watch();
    const keys = new TicketKeys({ backend, serverHash, lifetime: 2 * HOUR });
    keys.seal(content);
    vi.advanceTimersByTime(HOUR);
    keys.seal(content);
    expect(ticketKeys()).toEqual([false, false]);
    vi.advanceTimersByTime(HOUR - 1);
    expect(ticketKeys()).toEqual([false, false]);
    // nobody connects
    vi.advanceTimersByTime(1);
    expect(ticketKeys()).toEqual([true, false]);
    vi.advanceTimersByTime(HOUR);
    expect(ticketKeys()).toEqual([true, true]);
  });

  it.each([
    ['made here', undefined],
    ['shared', [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]],
  ])('keys that were %s are overwritten at the end, and nothing that was handed over', (_, shared) => {
    const { backend, ticketKeys } = watch();
    const keys = new TicketKeys({ backend, serverHash, lifetime: HOUR, shared });
    keys.seal(content);
    expect(new Set(ticketKeys())).toEqual(new Set([false]));
    keys.close();
    expect(new Set(ticketKeys())).toEqual(new Set([true]));
    expect(shared?.map(([first]) => first) ?? []).toEqual(shared ? [1, 2] : []);
  });
});
