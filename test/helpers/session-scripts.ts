// Scripts that ask for what a test lists, to try a session by.

import type { Effect, HandshakeResult, Script } from '../../src/core/script.js';
import { Recorder } from './recorder.js';

/** Bytes from `first` on, each one more than the one before. */
export const run = (first: number, length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => first + i);

export const opening: HandshakeResult = {
  sender: {
    ...{ maxMessage: 0, partLength: 100, staged: 0, stage: () => 0, flush: () => [], close: () => [] },
    abandon: () => undefined,
  },
  peer: null,
};

/** An effect; a number is so many bytes that are asked for. */
export type Wish = Effect | number;

const effectOf = (wish: Wish): Effect => (typeof wish === 'number' ? { type: 'read', count: wish } : wish);

/** A session whose script is what it is told to ask for; the answers are kept, copied. */
export function makeAsker(...wishes: Wish[]): { end: Recorder; answers: unknown[] } {
  const answers: unknown[] = [];
  const end = new Recorder(ask(wishes, answers));
  end.session.start();
  return { end, answers };
}

export function* ask(wishes: readonly Wish[], answers: unknown[]): Script {
  for (const wish of wishes) {
    const answer = yield effectOf(wish);
    answers.push(answer instanceof Uint8Array ? [...answer] : answer);
  }
}
