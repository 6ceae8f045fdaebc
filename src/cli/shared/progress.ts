/** How far a file has come. */
export interface Progress {
  /** So many more bytes. */
  advance(bytes: number): void;
  /** Wipes the bar off the terminal. */
  end(): void;
}

/** A terminal to draw on. */
export interface Canvas {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Redrawn at most so often, in milliseconds. */
const PERIOD = 200;

/** A bar with rate and time left on a terminal; nothing elsewhere, nor where nobody knows how much will come. */
export function progressOf(name: string, size: number | null, canvas: Canvas, now: () => number): Progress {
  if (!canvas.isTTY || size === null) return { advance: () => {}, end: () => {} };
  const begun = now();
  let done = 0;
  let drawn = begun;
  return {
    advance: (bytes) => {
      done += bytes;
      const time = now();
      if (time - drawn < PERIOD) return;
      drawn = time;
      canvas.write(`\r${bar(name, done, size, (time - begun) / 1000, canvas.columns ?? 80)}\u001b[K`);
    },
    end: () => {
      if (drawn !== begun) canvas.write('\r\u001b[K');
    },
  };
}

/** One line: name, share, bar, rate, time left. */
export function bar(name: string, done: number, size: number, seconds: number, columns: number): string {
  const share = size === 0 ? 1 : done / size;
  const rate = seconds > 0 ? done / seconds : 0;
  const left = rate > 0 ? formatTime((size - done) / rate) : '--:--';
  const figures = `${String(Math.floor(100 * share)).padStart(3)}% `;
  const tail = ` ${formatBytes(rate)}/s ${left} left`;
  const label = name.length > 24 ? `${name.slice(0, 23)}…` : name;
  const width = Math.max(0, Math.min(40, columns - 1 - label.length - figures.length - tail.length - 3));
  const full = Math.round(share * width);
  return `${label} ${figures}[${'#'.repeat(full)}${'-'.repeat(width - full)}]${tail}`;
}

/** A number of bytes for people. */
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
