import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { havePrograms, requireBuild, script } from './cli/command.js';
import { makePlace, play } from './cli/session.js';
import { root } from './helpers/pack.js';

const sessions = join(root, 'test/cli');

beforeAll(requireBuild);

describe('terminal sessions', () => {
  const names = readdirSync(sessions).filter((name) => name.endsWith('.txt'));
  const playable = havePrograms('script') ? names : names.filter((name) => !name.includes('.terminal.'));
  test.each(playable)('%s', { timeout: 60_000 }, async (name) => {
    await session(name, readFileSync(join(sessions, name), 'utf8'));
  });
});

describe('a session that goes another way is found out', () => {
  test.each([
    ['$ echo one\ntwo', /:1 it printed\none\ninstead of\ntwo/],
    ['$ echo one', /:1 more was printed than expected:\none/],
    ['$ true\none', /:1 it ended without printing\none/],
    ['$ exit 3', /:1 exit code 3, not 0/],
    ['$ true\n[exit 3]', /:1 exit code 0, not 3/],
    ['$ echo 70000a\n<port>', /:1 it printed/],
    ['$ sleep 60 &', /:0? ?nobody waits for sleep 60|nobody waits for sleep 60/],
  ])('%s', async (text, problem) => {
    await expect(session('a session', text)).rejects.toThrow(problem);
  });

  test('and one that goes this way is not', async () => {
    await session('a session', '# hello\n$ echo "a 12"; false\na <n:number>\n[exit 1]\n$ echo <n>\n...\n12');
  });
});

async function session(name: string, text: string): Promise<void> {
  const place = makePlace(script);
  try {
    await play(name, text, place);
  } finally {
    place.remove();
  }
}
