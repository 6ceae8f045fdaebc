import { describe, expect, it } from 'vitest';
import { closeTransport, openStation, outcome, station, text, useClock } from '../helpers/letters.js';

useClock();

describe('a turn', () => {
  it('is waited for by a handshake, though its transport gives its memory away', async () => {
    const steps: (() => void)[] = [];
    const { connection, transport } = station({ schedule: (step) => void steps.push(step) });
    connection.start();
    transport.receive('H', true);
    expect([await outcome(connection.ready), steps.length]).toEqual(['waits', 1]);
    steps[0]?.();
    await connection.ready;
  });

  it('is not waited for once the transport has closed: all that came is read', async () => {
    const made = await openStation({ readAhead: 1_000_000 });
    made.transport.receive(`${'a'.repeat(100)}.`);
    closeTransport(made);
    for (let i = 0; i < 100; i++) expect(text(await made.connection.recv())).toBe('a');
    expect(await made.connection.recv()).toBe(null);
  });
});
