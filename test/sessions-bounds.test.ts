import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { noble } from '../backends/noble.js';
import { node } from '../backends/node.js';
import { isSessions, sessionsAccess } from '../src/sessions/access.js';
import { Sessions } from '../src/sessions/sessions.js';
import { TicketKeys } from '../src/sessions/ticket-keys.js';

const HOUR = 3_600_000;
const name = { target: 'here', identity: undefined };

beforeEach(() => vi.useFakeTimers({ now: 1_800_000_000_000 }));
afterEach(() => vi.useRealTimers());

function keep(sessions: Sessions, fingerprint: string): void {
  const peer = { spki: Uint8Array.of(1), fingerprint };
  const ticket = { ticket: Uint8Array.of(1), psk: new Uint8Array(32), peer, seconds: 3600, resumed: false };
  sessionsAccess.keep(sessions, name, ticket, Date.now());
}

describe('Sessions', () => {
  it('name each server once, and hold four tickets of each that there is at an address', () => {
    const sessions = new Sessions();
    for (const fingerprint of 'AABABABB') keep(sessions, fingerprint);
    expect(sessions.size).toBe(8);
    expect(sessionsAccess.servers(sessions, name).map(({ fingerprint }) => fingerprint)).toEqual(['B', 'A']);
  });

  it('are known from what only looks like them', () => {
    expect(isSessions(new Sessions())).toBe(true);
    for (const other of [null, undefined, 'sessions', {}, Object.create(Sessions.prototype)])
      expect(isSessions(other)).toBe(false);
  });
});

describe.each([
  ['node', node],
  ['noble', noble],
])('ticket keys on the backend %s', (_, backend) => {
  const keys = (): TicketKeys => new TicketKeys({ backend, serverHash: new Uint8Array(32), lifetime: HOUR });
  const content = { psk: new Uint8Array(32).fill(9), spki: Uint8Array.of(4) };

  it('make a ticket for the last second, and none for less', () => {
    const since = (left: number): number => Date.now() + left - HOUR;
    expect(keys().seal({ ...content, since: since(1000) })?.seconds).toBe(1);
    expect(keys().seal({ ...content, since: since(999) })).toBeUndefined();
  });

  it('take no part of a ticket', () => {
    const made = keys();
    const { ticket } = made.seal({ ...content, since: undefined }) ?? expect.fail('no ticket');
    for (let length = 0; length < ticket.length; length++)
      expect(made.open(ticket.subarray(0, length))).toBeUndefined();
    expect(made.open(ticket)).toMatchObject({ psk: content.psk });
  });
});
