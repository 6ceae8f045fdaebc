import { describe, expect, it } from 'vitest';
import { open } from '../helpers/kept.js';
import type { Break } from '../helpers/proxy.js';
import { protocols } from '../helpers/sockets.js';
import type { Account } from './conversation.js';
import { type Outcome, Stand } from './stand.js';

const LENGTHS = [0, 100, 3_000];
const PLACES = 40;
const directions = ['toServer', 'toClient'] as const;

/** What an end may say of a connection that broke; `end` is one of those only where nothing is missing. */
const possible = /^(end|TRUNCATED|HANDSHAKE_FAILED)$/;
/** Classic has no end of its own: a broken stream may look like an orderly one, and answers may be in the way. */
const possibleInClassic = /^(end|TRUNCATED|HANDSHAKE_FAILED|CLOSED)$/;

describe.each(protocols)('a %s connection', (protocol) => {
  /** How many bytes a conversation has each way. */
  async function lengths(): Promise<{ toServer: number; toClient: number }> {
    const stand = await Stand.open({ protocol });
    open.push(stand);
    const outcome = await stand.converse(LENGTHS);
    expect(outcome).toMatchObject({ client: { ending: 'end', received: 3 }, server: { ending: 'end' } });
    return stand.proxy.passed;
  }

  async function breakEverywhere(direction: 'toServer' | 'toClient', by: Break): Promise<Outcome[]> {
    const whole = (await lengths())[direction];
    const damage = (index: number) => ({
      [direction]: { breaks: { after: Math.floor((index * whole) / PLACES), by } },
    });
    const stand = await Stand.open({ protocol, damage });
    open.push(stand);
    const outcomes: Outcome[] = [];
    for (let place = 0; place < PLACES; place++) outcomes.push(await stand.converse(LENGTHS));
    await expect.poll(() => stand.server.stats.open + stand.server.stats.pending).toBe(0);
    return outcomes;
  }

  // defences: one error for both halves, TRUNCATED where CLOSE is missing, nothing of an unfinished message delivered
  it.each(
    directions.flatMap((direction) =>
      (['reset', 'half-close', 'close'] as const).map((by) => [by, direction] as const),
    ),
  )('that breaks by %s %s, anywhere, ends at both ends with one error or in order', async (by, direction) => {
    const outcomes = await breakEverywhere(direction, by);
    const endings = new Set<string>();
    for (const [place, outcome] of outcomes.entries()) {
      for (const account of [outcome.client, outcome.server]) {
        const ending = endOf(account);
        endings.add(ending);
        expect(ending, `place ${place}`).toMatch(protocol === 'sealed' ? possible : possibleInClassic);
        if (typeof account === 'string') continue;
        expect(account.offences, `place ${place}`).toEqual([]);
        if (protocol === 'sealed' && ending === 'end')
          expect(account.received, `place ${place}`).toBe(LENGTHS.length);
      }
    }
    expect(endings).toContain('HANDSHAKE_FAILED');
    if (by !== 'reset') expect(endings.size).toBeGreaterThan(1);
  });
});

function endOf(account: Account | string): string {
  return typeof account === 'string' ? account : account.ending;
}
