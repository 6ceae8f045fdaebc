import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../scripts/lib/free-port.mjs';
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

describe('docs/cli.md', () => {
  const document = readFileSync(join(root, 'docs/cli.md'), 'utf8');

  test('shows sessions that go as shown', { timeout: 60_000 }, async () => {
    const blocks = [...document.matchAll(/^```console\n(.*?)^```$/gms)].map(([, block]) => block);
    expect(blocks.length).toBeGreaterThan(0);
    const port = await freePort();
    await session('docs/cli.md', withFingerprints(blocks.join('')).replaceAll('9000', String(port)));
  });

  const commands = [...help('--help').matchAll(/^ {2}([a-z-]+) {2,}/gm)].map(([, name = '']) => name);

  test('has every command', () => {
    expect(commands).toHaveLength(12);
    for (const name of commands) expect(document).toContain(`\`secure-sockets ${name}`);
  });

  test('the manual of the tunnel, which has most options, fits a screen and a half', () => {
    const lines = help('tunnel', '--help').trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(36);
  });

  test.each(commands)('the manual of %s fits a terminal of 80 columns', (name) => {
    for (const line of help(name, '--help').split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
  });

  test.each(commands)('has every option of %s', (name) => {
    const options = help(name, '--help').match(/(?<=^ {2}(?:-\w, )?)--[a-z-]+/gm) ?? [];
    expect(options).toContain('--help');
    for (const option of options) expect(document, option).toMatch(new RegExp(`\`${option}[ \`]`));
  });
});

describe('what is made of the manuals', () => {
  test('a man page that groff takes, with every option', { skip: !havePrograms('groff') }, () => {
    const page = help('man');
    const { stdout, stderr } = spawnSync('groff', ['-man', '-Tascii', '-P-c', '-wall'], {
      input: page,
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    for (const option of ['--authorized-keys', '--carriers', '--messages', '--known-hosts', '--websocket'])
      expect(stdout).toContain(option);
  });

  test('completions of bash: commands, options, files', () => {
    const ask = (...words: string[]): string[] => {
      const list = words.map((word) => `'${word}'`).join(' ');
      const program = `${help('completion', 'bash')}
        COMP_WORDS=(secure-sockets ${list}); COMP_CWORD=${words.length}; _secure_sockets; printf '%s\\n' "\${COMPREPLY[@]}"`;
      return execFileSync('bash', ['-c', program], { encoding: 'utf8', cwd: root }).trim().split('\n');
    };
    expect(ask('tu')).toEqual(['tunnel']);
    expect(ask('tunnel', '--carr')).toEqual(['--carriers']);
    expect(ask('send', '--no')).toEqual(['--no-preserve']);
    expect(ask('tunnel', '')).toEqual(['client', 'server']);
    expect(ask('bridge', 'in')).toEqual(['inward']);
    expect(ask('known-hosts', '')).toEqual(['list', 'remove']);
    expect(ask('completion', 'z')).toEqual(['zsh']);
    expect(ask('tunnel', '--carr')).toEqual(['--carriers']);
    expect(ask('send', 'README')).toEqual(['README.md']);
  });

  test('completions of fish name every option once', () => {
    const script = help('completion', 'fish');
    expect(script.match(/from tunnel' -l carriers -r -d/g)).toHaveLength(1);
    expect(() => help('completion', 'tcsh')).toThrow();
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
    ['$ sleep 60 &', /:0? ?nothing waits for sleep 60|nothing waits for sleep 60/],
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

function help(...args: string[]): string {
  return execFileSync(process.execPath, [script, ...args], { encoding: 'utf8' });
}

/** A document says `SHA256:...` for the one fingerprint that it shows. */
function withFingerprints(text: string): string {
  return text.replace('SHA256:...', '<shown:fingerprint>').replaceAll('SHA256:...', '<shown>');
}
