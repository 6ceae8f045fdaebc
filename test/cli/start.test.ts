import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import * as module from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { requireBuild, start } from './command.js';

beforeAll(requireBuild);

const caches = 'enableCompileCache' in module;

it.each([
  ['in the folder for caches', { XDG_CACHE_HOME: '' }, '.cache/secure-sockets'],
  ['in the one that is named', { XDG_CACHE_HOME: 'named' }, 'named/secure-sockets'],
])(
  `keeps compiled code ${caches ? '' : '(not on this version of Node) '}%s, and nothing in the temporary one`,
  async (_, env, expected) => {
    const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-start-'));
    try {
      const named = env.XDG_CACHE_HOME && join(folder, env.XDG_CACHE_HOME);
      const temporary = join(folder, 'tmp');
      const { ended } = start(folder, ['--version'], { XDG_CACHE_HOME: named, TMPDIR: temporary });
      expect((await ended).code).toBe(0);
      expect(existsSync(join(folder, expected))).toBe(caches);
      expect(readdirSync(folder)).not.toContain('tmp');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
