import { describe, expect, test } from 'vitest';
import { bar, formatBytes, progressOn } from '../../src/cli/shared/progress.js';

describe('progress', () => {
  test('is a bar with rate and time left', () => {
    const state = { done: 2 ** 20, size: 4 * 2 ** 20, carried: 2 ** 20, seconds: 2 };
    expect(bar('file', state, 80)).toBe(
      `file  25% [${'#'.repeat(10)}${'-'.repeat(30)}] 512.0 KiB/s 00:06 left`,
    );
    expect(bar('file', { done: 0, size: 0, carried: 0, seconds: 0 }, 80)).toContain('100%');
    const narrow = bar('x'.repeat(100), { done: 1, size: 2, carried: 1, seconds: 1 }, 60);
    expect(narrow.length).toBeLessThan(60);
  });

  const terminal = () => {
    const drawn: string[] = [];
    const clock = { time: 1 };
    const canvas = { isTTY: true, columns: 80, write: (text: string) => drawn.push(text) };
    return { drawn, clock, progress: progressOn(canvas, () => clock.time) };
  };

  test('is drawn a few times a second, on a terminal only, and wiped off', () => {
    const { drawn, clock, progress } = terminal();
    progress.begin({ name: 'file', size: 1000 });
    for (let i = 0; i < 1000; i++) {
      clock.time += 1;
      progress.advance(1);
    }
    progress.wipe();
    progress.wipe();
    expect(drawn).toHaveLength(6);
    expect(drawn[0]).toMatch(/^\rfile {2}20% /);
    expect(drawn.at(-1)).toBe('\r\u001b[K');
    const silent = progressOn({ write: () => drawn.push('not a terminal') }, () => clock.time);
    silent.begin({ name: 'file', size: 1000 });
    silent.advance(1000);
    silent.wipe();
    expect(drawn).toHaveLength(6);
  });

  test('is that of all files where there are several, however small', () => {
    const { drawn, clock, progress } = terminal();
    for (let file = 1; file <= 50; file++) {
      progress.begin({ name: `file${file}`, size: 10, batch: { file, files: 50, bytes: 500 } });
      clock.time += 50;
      progress.advance(10);
      progress.wipe();
    }
    const bars = drawn.filter((text) => text.includes('%'));
    expect(bars).toHaveLength(12);
    expect(bars[0]).toMatch(/^\r4\/50 file4 {3}8% .* 200 B\/s 00:02 left/);
    expect(bars.at(-1)).toMatch(/^\r48\/50 file48 {2}96% .* 00:00 left/);
  });

  test('counts what was carried before, but not as fast', () => {
    const { drawn, clock, progress } = terminal();
    progress.begin({ name: 'file', size: 1000 });
    progress.skip(500);
    clock.time += 1000;
    progress.advance(100);
    expect(drawn[0]).toMatch(/^\rfile {2}60% .* 100 B\/s 00:04 left/);
  });

  test.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [5 * 2 ** 30, '5.0 GiB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});
