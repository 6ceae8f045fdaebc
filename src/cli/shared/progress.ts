import type { FileHeader } from './transfer.js';

/** How far files have come. */
export interface Progress {
  /** The next file. */
  begin(file: FileHeader): void;
  /** So many bytes of it need not be carried: they were before. */
  skip(bytes: number): void;
  /** So many more bytes were carried. */
  advance(bytes: number): void;
  /** Removes the bar from the terminal. */
  wipe(): void;
}

/** A terminal to draw on. */
export interface Canvas {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Minimum time between two redraws, in milliseconds. */
const PERIOD = 200;

/** A bar with rate and time left on a terminal; nothing elsewhere. */
export function progressOn(canvas: Canvas, now: () => number): Progress {
  if (canvas.isTTY) return new Bar(canvas, now);
  return { begin: () => {}, skip: () => {}, advance: () => {}, wipe: () => {} };
}

/** One for each file, or one for all where there are several, which may be too short for any to be seen. */
class Bar implements Progress {
  readonly #canvas: Canvas;
  readonly #now: () => number;
  #label = '';
  /** `null` if the size is not known. */
  #size: number | null = 0;
  #done = 0;
  #carried = 0;
  #begun = 0;
  #drawn = 0;
  #isShown = false;

  constructor(canvas: Canvas, now: () => number) {
    this.#canvas = canvas;
    this.#now = now;
  }

  begin({ name, size, batch }: FileHeader): void {
    const isContinued = batch !== undefined && batch.file > 1 && this.#begun > 0;
    this.#label = batch === undefined ? name : `${batch.file}/${batch.files} ${name}`;
    this.#size = batch?.bytes ?? size;
    if (isContinued) return;
    this.#done = 0;
    this.#carried = 0;
    this.#begun = this.#now();
    this.#drawn = this.#begun;
  }

  skip(bytes: number): void {
    this.#done += bytes;
  }

  advance(bytes: number): void {
    this.#done += bytes;
    this.#carried += bytes;
    const time = this.#now();
    if (this.#size === null || time - this.#drawn < PERIOD) return;
    this.#drawn = time;
    this.#isShown = true;
    const state = {
      done: this.#done,
      size: this.#size,
      carried: this.#carried,
      seconds: (time - this.#begun) / 1000,
    };
    this.#canvas.write(`\r${bar(this.#label, state, this.#canvas.columns ?? 80)}\u001b[K`);
  }

  wipe(): void {
    if (this.#isShown) this.#canvas.write('\r\u001b[K');
    this.#isShown = false;
  }
}

/** How far it is, in bytes, and how much of that was carried in how many seconds. */
export interface BarState {
  readonly done: number;
  readonly size: number;
  readonly carried: number;
  readonly seconds: number;
}

/** One line: name, percentage, bar, rate, remaining time. */
export function bar(name: string, { done, size, carried, seconds }: BarState, columns: number): string {
  const share = size === 0 ? 1 : Math.min(1, done / size);
  const rate = seconds > 0 ? carried / seconds : 0;
  const left = rate > 0 ? formatTime(Math.max(0, size - done) / rate) : '--:--';
  const figures = `${String(Math.floor(100 * share)).padStart(3)}% `;
  const tail = ` ${formatBytes(rate)}/s ${left} left`;
  const label = name.length > 24 ? `${name.slice(0, 23)}…` : name;
  const width = Math.max(0, Math.min(40, columns - 1 - label.length - figures.length - tail.length - 3));
  const full = Math.round(share * width);
  return `${label} ${figures}[${'#'.repeat(full)}${'-'.repeat(width - full)}]${tail}`;
}

/** Formats a number of bytes. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const step = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const value = bytes / 1024 ** step;
  return `${step === 0 ? Math.round(value) : value.toFixed(1)} ${units[step]}`;
}

function formatTime(seconds: number): string {
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const tail = `${String(minutes).padStart(2, '0')}:${String(whole % 60).padStart(2, '0')}`;
  return hours > 0 ? `${hours}:${tail}` : tail;
}
