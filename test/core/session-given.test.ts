import { describe, expect, it } from 'vitest';
import type { TaskKind } from '../../src/core/script.js';
import { makeAsker, opening, run } from '../helpers/session-scripts.js';

const open = { type: 'open', result: opening } as const;
const task = (kind: TaskKind) => ({ type: 'task', run: () => run(9, 1), kind }) as const;

describe('memory that is given to a session', () => {
  it('is read like any other', () => {
    const { end, answers } = makeAsker(2, 3, 1, 4);
    end.session.receive(run(0, 4), true);
    end.session.receive(run(4, 3), true);
    end.session.receive(run(7, 2));
    end.session.receive(run(9, 1), true);
    expect(answers).toEqual([[0, 1], [2, 3, 4], [5], [6, 7, 8, 9]]);
    expect(end.session.held).toBe(0);
  });

  it('may wait for the decryption of a record, in an order that stays', async () => {
    const { end, answers } = makeAsker(open, 1, task('record'), 70_002, 1);
    end.session.receive(run(0, 1), true);
    for (let i = 0; i < 7; i++) end.session.receive(new Uint8Array(10_000).fill(i), true);
    expect(end.session.isBlocked).toBe(false);
    // the memory counts, and 128 bytes for each piece
    expect(end.session.held).toBe(7 * 10_128);
    const lent = run(20, 3);
    end.session.receive(lent);
    lent.fill(0);
    await end.settle();
    end.finishTurns();
    const [, , , all, last] = answers as number[][];
    expect(all?.filter((_, i) => i % 10_000 === 0)).toEqual([0, 1, 2, 3, 4, 5, 6, 20]);
    expect([all?.at(-1), last]).toEqual([21, [22]]);
  });

  it('may not beyond 256 MiB', () => {
    const { end } = makeAsker(open, task('record'), 1);
    // one piece of memory, in which nothing is read here
    const piece = new Uint8Array(32 * 2 ** 20);
    for (let i = 0; i < 7; i++) end.session.receive(piece, true);
    expect(end.session.isBlocked).toBe(false);
    end.session.receive(piece, true);
    expect(end.session.isBlocked).toBe(true);
  });

  it.each([
    ['before the handshake is done', [task('record')], true],
    ['while another step is in progress', [open, task('decision')], true],
    ['where it is lent', [open, task('record')], false],
  ] as const)('may not %s', (_, wishes, isGiven) => {
    const { end } = makeAsker(...wishes, 1);
    end.session.receive(new Uint8Array(4096), isGiven);
    expect(end.session.isBlocked).toBe(false);
    end.session.receive(new Uint8Array(1), isGiven);
    expect(end.session.isBlocked).toBe(true);
  });

  it('waits while the program does not read', () => {
    const { end } = makeAsker(open, task('record'), 1);
    end.session.paused = true;
    end.session.receive(new Uint8Array(10_000), true);
    expect(end.session.isBlocked).toBe(true);
  });
});
