import { describe, expect, it, vi } from 'vitest';
import { node } from '../backends/node.js';
import type { ClientResumption } from '../src/core/sealed/client-resumption.js';
import type { Handshake } from '../src/core/sealed/handshake.js';
import { resumptionOf } from '../src/options/client-tickets.js';
import { sessionsAccess } from '../src/sessions/access.js';
import { Sessions } from '../src/sessions/sessions.js';
import { trustKnownHosts } from '../src/trust/known-hosts-trust.js';
import { type Target, type Trust, trustOf } from '../src/trust/trust.js';

const here: Target = { host: 'here', port: 1 };
const keyOf = (name: string): Uint8Array => Uint8Array.from(Buffer.from(`key of ${name}`));

/** Sessions with one ticket of each server, the last one first to be offered. */
function sessionsWith(
  servers: readonly string[],
  { target }: { target: Target | undefined } = { target: here },
): Sessions {
  const sessions = new Sessions();
  for (const fingerprint of servers) {
    const peer = { spki: keyOf(fingerprint), fingerprint };
    const ticket = { ticket: Buffer.from(fingerprint), psk: new Uint8Array(32), peer, seconds: 86_400 };
    const name = sessionsAccess.nameOf(target, undefined);
    sessionsAccess.keep(sessions, name, { ...ticket, resumed: false }, Date.now());
  }
  return sessions;
}

const trusting = (knows: (spki: Uint8Array, fingerprint: string) => boolean): Trust => ({
  decide: () => expect.fail('nothing is decided before a server has answered'),
  knows: async (spki, fingerprint) => knows(spki, fingerprint),
});

/** Whose ticket is offered. */
function offered(resumption: ClientResumption): string | undefined {
  const offer = resumption.take();
  return offer && String(offer.ticket);
}

async function offeredBy(trust: Trust, servers: readonly string[] = ['A']): Promise<string | undefined> {
  return offered(await resumptionOf(sessionsWith(servers), undefined, trust, here));
}

describe('a ticket is offered', () => {
  it('of servers that are trusted now, each asked about by its key', async () => {
    const asked: [string, string][] = [];
    const sessions = sessionsWith(['C', 'B', 'A']);
    const trust = trusting((spki, fingerprint) => {
      asked.push([String(Buffer.from(spki)), fingerprint]);
      return fingerprint !== 'A';
    });
    const resumption = await resumptionOf(sessions, undefined, trust, here);
    expect(asked).toEqual(['A', 'B', 'C'].map((name) => [`key of ${name}`, name]));
    expect([offered(resumption), offered(resumption), offered(resumption)]).toEqual(['B', 'C', undefined]);
    expect(sessions.size).toBe(1);
  });

  it('of another one where the last of a server was taken meanwhile', async () => {
    const sessions = sessionsWith(['B', 'A']);
    const [first, second] = await Promise.all(
      [1, 2].map(() =>
        resumptionOf(
          sessions,
          undefined,
          trusting(() => true),
          here,
        ),
      ),
    );
    expect([first, second].map((one) => one && offered(one))).toEqual(['A', 'B']);
  });

  it.each<[string, Target | undefined]>([
    ['by port', { host: 'here', port: 2 }],
    ['by host', { host: 'there', port: 1 }],
    ['by what is no name of a host', { host: 'no name', port: 1 }],
    ['without a name', undefined],
  ])('only where it was given: %s', async (_, target) => {
    const [all, own] = [sessionsWith(['A']), sessionsWith(['A'], { target })];
    const offers = (sessions: Sessions, to: Target | undefined): Promise<string | undefined> =>
      resumptionOf(
        sessions,
        undefined,
        trusting(() => true),
        to,
      ).then(offered);
    expect(await offers(all, target)).toBe(undefined);
    for (const other of [here, { host: 'no other name', port: 1 }])
      expect(await offers(own, other)).toBe(undefined);
    expect(await offers(own, target)).toBe('A');
  });
});

describe('trust that was withdrawn offers none:', () => {
  it('verifyServer is asked about the key, and says exactly true', async () => {
    const asked: [string, string][] = [];
    const verifyServer = (verdict: unknown): Promise<string | undefined> =>
      offeredBy(
        trustOf({
          verifyServer: (spki, fingerprint) => {
            asked.push([String(Buffer.from(spki)), fingerprint]);
            if (verdict instanceof Error) throw verdict;
            return verdict as boolean;
          },
        }),
      );
    for (const verdict of [false, 1, 'true', {}, undefined, new Error('no database')])
      expect(await verifyServer(verdict)).toBe(undefined);
    expect(await verifyServer(true)).toBe('A');
    expect(asked).toEqual(new Array(7).fill(['key of A', 'A']));
  });

  it.each(['strict', 'tofu'] as const)('known hosts have the key, in mode %s', async (mode) => {
    const check = vi.fn<(host: string, port: number, fingerprint: string) => Promise<'known' | 'unknown'>>();
    const add = vi.fn(async () => {});
    const byList = (): Promise<string | undefined> =>
      offeredBy(trustKnownHosts({ name: 'the list', mode, check, add }, here));
    check.mockResolvedValue('unknown');
    expect(await byList()).toBe(undefined);
    check.mockRejectedValue(new Error('known under another key'));
    expect(await byList()).toBe(undefined);
    check.mockResolvedValue('known');
    expect(await byList()).toBe('A');
    expect(check.mock.calls).toEqual(new Array(3).fill(['here', 1, 'A']));
    expect(add).not.toHaveBeenCalled();
  });
});

describe('the chain of a ticket began', () => {
  const HOUR = 3_600_000;

  /** When the chain of a ticket began that comes two hours after that of the one that was offered. */
  async function since(resumed: boolean): Promise<number> {
    const now = vi.spyOn(Date, 'now');
    const keep = vi.spyOn(sessionsAccess, 'keep');
    try {
      now.mockReturnValue(HOUR);
      const sessions = sessionsWith(['A']);
      now.mockReturnValue(3 * HOUR);
      const resumption = await resumptionOf(
        sessions,
        undefined,
        trusting(() => true),
        here,
      );
      expect(offered(resumption)).toBe('A');
      const handshake = { schedule: { derive: () => new Uint8Array(32) } } as unknown as Handshake;
      const of = { peer: { spki: keyOf('A'), fingerprint: 'A' }, resumed };
      resumption
        .receiverOf(handshake, node, of)
        ?.receive(Uint8Array.of(0, 0, 0, 60, ...new Uint8Array(9), 1, 7));
      return keep.mock.lastCall?.[3] as number;
    } finally {
      now.mockRestore();
      keep.mockRestore();
    }
  }

  it('with the full handshake that it goes back to, if it was resumed', async () => {
    expect(await since(true)).toBe(HOUR);
  });

  it('with this connection, if the server did not take what was offered', async () => {
    expect(await since(false)).toBe(3 * HOUR);
  });
});
