/** What the compiler says of scripts: checked by `npm run typecheck`, and not run. */
import { type Effect, peek, perform, read, type Script } from '../../src/core/script.js';

/** Whether two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(..._: Same<A, B> extends true ? [] : ['these types differ', A, B]): void {}

export function* answersAreTyped(): Script<number> {
  const bytes = yield* read(3);
  same<typeof bytes, Uint8Array>();
  const rest = yield* peek(1, 0);
  same<typeof rest, Uint8Array | null>();
  const verdict = yield* perform(async () => true, 'decision');
  same<typeof verdict, boolean>();
  const sum = yield* partOfAScript();
  same<typeof sum, number>();
  return sum;
}

function* partOfAScript(): Script<number> {
  return (yield* read(1)).length;
}

export function* whatAYieldGivesIsUnknown(): Script {
  // @ts-expect-error the answer is not text, and was not declared as text
  const text: string = yield { type: 'read', count: 3 };
  // @ts-expect-error nor is it bytes, unless it is asked for by a function that says so
  const bytes: Uint8Array = yield { type: 'read', count: 3 };
  // @ts-expect-error what was read has to be looked at before it is used
  const length: number = (yield* peek(1, 0)).length;
  return void [text, bytes, length];
}

export function* effectsAreOfTheList(): Script {
  // @ts-expect-error a number is no effect
  yield 3;
  // @ts-expect-error there is no such effect
  yield { type: 'sleep' };
  // @ts-expect-error an effect has what its type says
  yield { type: 'write', count: 3 };
  // @ts-expect-error the result of a script is what it declares
  return 'text';
}

export function everyTypeIsHandled(effect: Effect): string {
  switch (effect.type) {
    case 'read':
    case 'peek':
    case 'task':
    case 'write':
    case 'open':
    case 'received':
    case 'pong':
    case 'answered':
    case 'ended':
    case 'finalBytes':
      return effect.type;
  }
}
