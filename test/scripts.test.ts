import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { outcomeOf, root, spawnNode } from './helpers/pack.js';

const folder = join(root, 'scripts');
const scripts = ['scripts', 'bench'].flatMap((where) =>
  readdirSync(join(root, where)).flatMap((name) => (name.endsWith('.mjs') ? [`${where}/${name}`] : [])),
);
const run = (script: string, option: string): ReturnType<typeof outcomeOf> =>
  outcomeOf(spawnNode(tmpdir(), [join(folder, script), option]));

it.each(scripts)('%s reads its arguments where all do', (script) => {
  expect(readFileSync(join(root, script), 'utf8')).toMatch(
    /\breadArguments\('Usage: |\breadArguments\(\s*usage,/,
  );
});

// two stand for all: most begin with work that nothing here should start, if this ever fails
describe.each(['test-consumers.mjs', 'ci-summary.mjs'])('%s', (script) => {
  it('explains itself, and does nothing else', async () => {
    const { code, stdout, stderr } = await run(script, '--help');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Usage: /);
  });

  it('refuses what it does not know', async () => {
    const { code, stdout, stderr } = await run(script, '--no-such-option');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/no-such-option[\s\S]*\n\nUsage: /);
  });
});
