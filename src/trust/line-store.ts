import { inTime } from '../connection/in-time.js';
import { badOption, kindOf, reasonOf } from '../errors.js';

/** Where the lines of a list are kept. */
export interface LineStore {
  /** As error texts name it. */
  readonly name: string;
  /** The whole text; empty if there is none yet. */
  read(): Promise<string>;
  /** Adds a line at the end. */
  append(line: string): Promise<void>;
  /** Removes the lines, counted from 1, that `pick` chooses from the text; returns how many those were. */
  removeLines(pick: (text: string) => ReadonlySet<number>): Promise<number>;
  /** Runs `task` while no other task on the same lines runs in this process. */
  runExclusive<Result>(task: () => Promise<Result>): Promise<Result>;
}

/** Keeps a text for a program that does not keep it in a file: in a database, or in a page's storage. */
export interface TextStore {
  /** The text that was saved last; nothing, or an empty text, before the first time. */
  load(): Promise<string | null | undefined> | string | null | undefined;
  /** Saves a text in place of the one before. */
  save(text: string): Promise<void> | void;
}

/** What `localStorage` and `sessionStorage` have. */
export interface WebStorage {
  /** The text under a key. */
  getItem(key: string): string | null;
  /** Puts a text under a key. */
  setItem(key: string, text: string): void;
}

/** A page's storage as a store of one text. */
export function webStorageText(storage: WebStorage, key: string): TextStore {
  return {
    load: () => inStorage(() => storage.getItem(key)),
    save: (text) => inStorage(() => storage.setItem(key, text)),
  };
}

/** A page may be denied its storage, and find it full. */
function inStorage<Result>(act: () => Result): Result {
  try {
    return act();
  } catch (cause) {
    throw badOption(`the storage of known hosts cannot be used: ${reasonOf(cause)}`, cause);
  }
}

/**
 * Lines in a text that is loaded and saved whole, so what changes it waits for what changes it already, through any
 * object over the same `place`. `among` keeps those from it that are not in this process.
 */
export function linesIn(
  store: TextStore,
  name: string,
  place: object = placeOf(store),
  among: LineStore['runExclusive'] = (task) => task(),
): LineStore {
  const load = withinTimeout(`load() of ${name}`, async () => store.load());
  const save = withinTimeout(`save() of ${name}`, async (text: string) => store.save(text));
  const read = async (): Promise<string> => {
    const text: unknown = (await load()) ?? '';
    if (typeof text === 'string') return text;
    throw badOption(`load() of ${name} must give text, and gave ${kindOf(text)}`);
  };
  const runInTurn = queues.get(place) ?? makeQueue();
  queues.set(place, runInTurn);
  return {
    name,
    read,
    append: async (line) => save(withLine(await read(), line)),
    removeLines: async (pick) => {
      const text = await read();
      const gone = pick(text);
      if (gone.size > 0) await save(withoutLines(text, gone));
      return gone.size;
    },
    runExclusive: (task) => runInTurn(() => among(task)),
  };
}

/** One for each place. */
const queues = new WeakMap<object, LineStore['runExclusive']>();

/** What two stores have in common if they are one: an object may be put together anew for each client. */
function placeOf(store: TextStore): object {
  return Object.hasOwn(store, 'save') ? store.save : store;
}

/** Milliseconds. The next one's turn must not wait for ever for a store that never answers. */
const TIMEOUT = 10_000;

function withinTimeout<Given extends unknown[], Result>(
  what: string,
  call: (...given: Given) => Promise<Result>,
): (...given: Given) => Promise<Result> {
  const late = (): Error => badOption(`${what} gave no answer within ${TIMEOUT} ms`);
  return (...given) => inTime(call(...given), TIMEOUT, late);
}

/** A text with one line more, which ends the way all lines do. */
function withLine(text: string, line: string): string {
  return `${text}${text === '' || /[\r\n]$/.test(text) ? '' : '\n'}${line}\n`;
}

/** A text without some of its lines, counted from 1; the others stay as they are. */
export function withoutLines(text: string, gone: ReadonlySet<number>): string {
  return endedLines(text)
    .filter((_, index) => !gone.has(index + 1))
    .join('');
}

/** The lines of a text with what ends them. */
export function endedLines(text: string): string[] {
  return text.split(/(?<=\n|\r(?!\n))/);
}

/** Runs one task after the other. */
function makeQueue(): LineStore['runExclusive'] {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const result = last.then(task);
    last = result.catch(() => {});
    return result;
  };
}
