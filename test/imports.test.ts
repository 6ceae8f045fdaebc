import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { importProblems } from './helpers/import-rules.js';

const root = fileURLToPath(new URL('..', import.meta.url));

test('this package keeps its rules about who may import whom', () => {
  const tree = readTree(['src', 'backends']);
  expect(tree.has('src/core/session.ts')).toBe(true);
  expect(importProblems(tree)).toEqual([]);
});

describe('a tree that breaks a rule is found out', () => {
  const broken: [name: string, tree: Record<string, string>, problem: string][] = [
    [
      'core takes a module of Node',
      { 'src/core/a.ts': "import { createHash } from 'node:crypto';" },
      'src/core/a.ts does not say in its name that it needs Node, and imports node:crypto',
    ],
    [
      'core takes only types of Node',
      { 'src/core/a.ts': "import type { Socket } from 'node:net';" },
      'src/core/a.ts does not say in its name that it needs Node, and imports node:net',
    ],
    [
      'core names a type of Node in passing',
      { 'src/core/a.ts': "export type A = import('node:net').Socket;" },
      'src/core/a.ts does not say in its name that it needs Node, and imports node:net',
    ],
    [
      'core takes a package',
      { 'src/core/a.ts': "import PQueue from 'p-queue';" },
      'src/core/a.ts (core) may not import p-queue',
    ],
    [
      'core takes a backend',
      { 'src/core/a.ts': "export { noble } from '../../backends/noble.js';" },
      'src/core/a.ts (core) may not import backends/noble.ts',
    ],
    [
      'core takes more than types of the backend interface',
      { 'src/core/a.ts': "import { type Backend } from '../backend.js';" },
      'src/core/a.ts (core) may not import src/backend.ts',
    ],
    [
      'core takes the shell',
      { 'src/core/a.ts': "import type { Options } from '../options/options.js';" },
      'src/core/a.ts (core) may not import types of src/options/options.ts',
    ],
    [
      'core promises',
      { 'src/core/a.ts': 'export const a: Promise<void> = later();' },
      'src/core/a.ts (core) may not use Promise',
    ],
    [
      'core reads the clock',
      { 'src/core/a.ts': 'export const a = () => Date.now();' },
      'src/core/a.ts (core) may not use Date',
    ],
    [
      'core sets a timer',
      { 'src/core/a.ts': 'setTimeout(() => {}, 1);' },
      'src/core/a.ts (core) may not use setTimeout',
    ],
    [
      'core uses Math.random',
      { 'src/core/a.ts': 'export const a = Math.random();' },
      'src/core/a.ts (core) may not use Math.random',
    ],
    [
      'core hands a Buffer on in short hand',
      { 'src/core/a.ts': 'export const a = { Buffer };' },
      'src/core/a.ts (core) may not use Buffer',
    ],
    [
      'core waits',
      { 'src/core/a.ts': 'export async function a() {}' },
      'src/core/a.ts (core) may not use async',
    ],
    [
      'a backend takes protocol code',
      { 'backends/node.ts': "import { pad } from '../src/core/pad.js';" },
      'backends/node.ts (backend node) may not import src/core/pad.ts',
    ],
    [
      'a backend takes another one',
      { 'backends/forge.ts': "import { noble } from './noble.js';" },
      'backends/forge.ts (backend forge) may not import backends/noble.ts',
    ],
    [
      'a backend takes the library of another one',
      { 'backends/noble.ts': "import forge from 'node-forge';" },
      'backends/noble.ts (backend noble) may not import node-forge',
    ],
    [
      'the node backend takes from libsodium',
      { 'backends/node-aead.ts': "import sodium from 'sodium-native';" },
      'backends/node-aead.ts (backend node) may not import sodium-native',
    ],
    [
      'a portable backend needs Node',
      { 'backends/noble-rsa.ts': "import { randomBytes } from 'node:crypto';" },
      'backends/noble-rsa.ts does not say in its name that it needs Node, and imports node:crypto',
    ],
    [
      'a backend loads a computed name',
      { 'backends/forge.ts': 'export const load = (name: string) => import(name);' },
      'backends/forge.ts (backend forge) may not import name',
    ],
    [
      'the shell takes a backend',
      { 'src/server/server.node.ts': "import { node } from '../../backends/node.js';" },
      'src/server/server.node.ts (server) may not import backends/node.ts',
    ],
    [
      'a room takes one above it',
      { 'src/client/client.node.ts': "import type { A } from '../index.js';" },
      'src/client/client.node.ts (client) may not import types of src/index.ts',
    ],
    [
      'a portable file takes a module of Node',
      { 'src/options/options.ts': "import { once } from 'node:events';" },
      'src/options/options.ts does not say in its name that it needs Node, and imports node:events',
    ],
    [
      'a portable file takes types of Node',
      { 'src/connection/connection.ts': "import type { Socket } from 'node:net';" },
      'src/connection/connection.ts does not say in its name that it needs Node, and imports node:net',
    ],
    [
      'a portable file takes one that needs Node',
      { 'src/options/options.ts': "import { read } from '../identity/identity.node.js';" },
      'src/options/options.ts does not say in its name that it needs Node, and imports src/identity/identity.node.ts',
    ],
    [
      'the ground stands on something',
      { 'src/errors.ts': "import { hex } from './core/bytes.js';" },
      'src/errors.ts (errors) may not import src/core/bytes.ts',
    ],
    ['a file stands outside', { 'backends/extra/a.ts': '' }, 'backends/extra/a.ts belongs to no room'],
    [
      'a file that backends share takes a library',
      { 'backends/checks.ts': "import { equalBytes } from '@noble/ciphers/utils.js';" },
      'backends/checks.ts (shared by backends) may not import @noble/ciphers/utils.js',
    ],
    [
      'a portable file takes the default backend',
      { 'src/options/options.ts': "import { defaultBackend } from '../defaults.node.js';" },
      'src/options/options.ts does not say in its name that it needs Node, and imports src/defaults.node.ts',
    ],
    [
      'two files import each other',
      { 'src/core/a.ts': "import { b } from './b.js';", 'src/core/b.ts': "import { a } from './a.js';" },
      'imports in a circle: src/core/a.ts -> src/core/b.ts -> src/core/a.ts',
    ],
    [
      'two files import types of each other',
      { 'src/core/a.ts': "import { b } from './b.js';", 'src/core/b.ts': "import type { A } from './a.js';" },
      'imports in a circle: src/core/a.ts -> src/core/b.ts -> src/core/a.ts',
    ],
  ];

  test.each(broken)('%s', (_name, files, problem) => {
    expect(importProblems(new Map(Object.entries(files)))).toEqual([problem]);
  });
});

test('a tree that keeps the rules passes', () => {
  const files = {
    'src/core/a.ts': `import { fail } from '../errors.js'; import type { Backend } from '../backend.js';
      export const a = { Date: 1, Promise: 2 }.Date; export { b } from './b.js'; // Buffer, Math.random`,
    'src/core/b.ts': 'export const b = Math.min(1, 2); export interface Times { performance: number }',
    'src/connection/queue.ts':
      "import type { A } from '../transports/tcp.node.js'; import PQueue from 'p-queue';",
    'src/options/options.ts': "import type { Identity } from '../identity/identity.node.js';",
    'src/identity/identity.node.ts': "import { readFile } from 'node:fs/promises';",
    'src/index.ts':
      "export * from './identity/identity.node.js'; import { node } from '../backends/node.js';",
    'backends/node.ts': `import type { Backend } from '../src/backend.js'; import * as crypto from 'node:crypto';
      export const load = () => import('./fallbacks.js');`,
    'backends/fallbacks.ts': "import { x25519 } from '@noble/curves/ed25519.js';",
  };
  expect(importProblems(new Map(Object.entries(files)))).toEqual([]);
});

function readTree(folders: readonly string[]): Map<string, string> {
  const paths = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name}`),
  );
  const sources = paths.map((path) => path.replaceAll('\\', '/')).filter((path) => path.endsWith('.ts'));
  return new Map(sources.map((path) => [path, readFileSync(join(root, path), 'utf8')]));
}
