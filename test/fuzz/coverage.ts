import { Session } from 'node:inspector';

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

interface Script {
  readonly url: string;
  readonly functions: readonly { readonly ranges: readonly Range[] }[];
}

/**
 * Which code of the library has run, as V8 counts it. One at a time in a process: V8 keeps one set of counters, so this
 * is not for a run that measures test coverage.
 */
export class Coverage {
  readonly #session = new Session();
  #seen = new Map<string, Uint8Array>();
  #total = 0;

  constructor() {
    this.#session.connect();
    this.#post('Profiler.enable');
    this.#post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Characters of source that have run up to now. */
  get total(): number {
    return this.#total;
  }

  /** Characters of source that have run since the last call, and never before. */
  gain(): number {
    const { result } = this.#post('Profiler.takePreciseCoverage') as { result: readonly Script[] };
    const before = this.#total;
    for (const script of result) if (isOurs(script.url)) this.#add(script);
    return this.#total - before;
  }

  /** Drops what has run since the last call without looking at it. */
  skip(): void {
    this.#post('Profiler.takePreciseCoverage');
  }

  /** What {@link restore} takes. */
  snapshot(): Map<string, Uint8Array> {
    return new Map([...this.#seen].map(([url, seen]) => [url, seen.slice()]));
  }

  /** Forgets what was seen since a snapshot. */
  restore(snapshot: ReadonlyMap<string, Uint8Array>): void {
    this.#seen = new Map(snapshot);
    this.#total = [...snapshot.values()].reduce((sum, seen) => sum + count(seen), 0);
  }

  /** Forgets everything. */
  reset(): void {
    this.skip();
    this.restore(new Map());
  }

  stop(): void {
    this.#post('Profiler.stopPreciseCoverage');
    this.#session.disconnect();
  }

  /** Outer ranges come first, so an inner one that did not run takes back what the outer one claims. */
  #add({ url, functions }: Script): void {
    const ranges = functions.flatMap((one) => one.ranges);
    const length = Math.max(0, ...ranges.map(({ endOffset }) => endOffset));
    const seen = this.#seenOf(url, length);
    const ran = new Uint8Array(length);
    for (const { startOffset, endOffset, count } of ranges)
      ran.fill(count > 0 ? 1 : 0, startOffset, endOffset);
    for (let at = 0; at < length; at++) {
      if (ran[at] === 0 || seen[at] === 1) continue;
      seen[at] = 1;
      this.#total++;
    }
  }

  #seenOf(url: string, length: number): Uint8Array {
    const old = this.#seen.get(url);
    if (old !== undefined && old.length >= length) return old;
    const larger = new Uint8Array(length);
    if (old) larger.set(old);
    this.#seen.set(url, larger);
    return larger;
  }

  // With the inspector of one's own thread the answer is there before the call returns.
  #post(method: string, parameters: object = {}): unknown {
    let answer: unknown;
    let failure: Error | null = null;
    this.#session.post(method, parameters, (error, result) => {
      failure = error;
      answer = result;
    });
    if (failure !== null) throw failure;
    return answer;
  }
}

function isOurs(url: string): boolean {
  return /\/(src|backends)\/[^?]+\.ts/.test(url);
}

function count(seen: Uint8Array): number {
  return seen.reduce((sum, one) => sum + one, 0);
}
