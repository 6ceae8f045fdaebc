import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  allows,
  isOver,
  nextPhase,
  type Phase,
  type PhaseEvent,
  transitions,
} from '../../src/connection/phase.js';

const phases = Object.keys(transitions) as Phase[];
const events: readonly PhaseEvent[] = ['open', 'end', 'close', 'peer end', 'error', 'destroy', 'gone'];

/** The cells of the table's row. */
const cellsOf = (row: string): string[] =>
  row
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());

/** The table of states in docs/protocol.md, as the code writes it. */
function readDocument(): Record<string, Record<string, string>> {
  const text = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
  const lines = text.slice(text.indexOf('## The states of an end')).split('\n');
  const first = lines.findIndex((line) => line.startsWith('| State |'));
  const last = lines.indexOf('', first);
  const [, ...columns] = cellsOf(lines[first] as string);
  const rows = lines.slice(first + 2, last).map(cellsOf);
  return Object.fromEntries(
    rows.map(([state = '', ...next]) => {
      const moves = columns.map((event, i): [string, string] => [event, next[i] ?? '']);
      return [state, Object.fromEntries(moves.filter(([, phase]) => phase !== ''))];
    }),
  );
}

describe('the phases of a connection', () => {
  it('move as docs/protocol.md says', () => {
    expect(readDocument()).toEqual(transitions);
  });

  it.each(phases)('%s has no move but those of the table', (phase) => {
    for (const event of events) {
      const next = transitions[phase][event];
      expect(allows(phase, event)).toBe(next !== undefined);
      if (next !== undefined) expect(nextPhase(phase, event)).toBe(next);
      else expect(() => nextPhase(phase, event)).toThrow(`a connection that is ${phase} has no transition`);
    }
  });

  it('have no events but those of the table', () => {
    const used = phases.flatMap((phase) => Object.keys(transitions[phase]));
    expect([...new Set(used)].sort()).toEqual([...events].sort());
  });

  it('lead from the handshake to each other, and from each of them to closed', () => {
    const reachableFrom = (from: Phase, seen = new Set<Phase>([from])): Set<Phase> => {
      for (const next of Object.values(transitions[from]))
        if (!seen.has(next))
          reachableFrom(next, new Set(seen.add(next))).forEach((phase) => void seen.add(phase));
      return seen;
    };
    expect([...reachableFrom('handshake')].sort()).toEqual([...phases].sort());
    for (const phase of phases) expect([...reachableFrom(phase)]).toContain('closed');
  });

  it('do not come back from over', () => {
    for (const phase of phases.filter(isOver))
      for (const next of Object.values(transitions[phase])) expect(isOver(next)).toBe(true);
  });
});
