import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { examplesOf } from '../helpers/documents.js';
import { runProgram, typeProblems } from '../helpers/examples.js';
import type { Program } from '../helpers/markdown.js';
import type { Project } from '../helpers/pack.js';

const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-runner-'));
afterAll(() => rmSync(folder, { recursive: true }));

// The runner needs a place to write to, not the package.
const project: Pick<Project, 'write'> = {
  write: (name, text) => {
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  },
};

let line = 0;
const program = (source: string, more: Partial<Program> = {}): Program => {
  line += 1;
  return { name: `program ${line}`, language: 'js', source, line, ...more };
};

test('a program that writes what it announces is fine', async () => {
  expect(await runProgram(project, program("console.log('one\\ntwo'); // => two"))).toBeUndefined();
});

test('TypeScript and CommonJS run too', async () => {
  const typed = program('interface A { b: number }\nconst a: A = { b: 1 };\nconsole.log(a.b); // => 1', {
    language: 'ts',
  });
  expect(await runProgram(project, typed)).toBeUndefined();
  const common = program('console.log(typeof require); // => function', { language: 'cjs' });
  expect(await runProgram(project, common)).toBeUndefined();
});

test.each([
  ['throws', "throw new Error('no');", 'ended with exit code 1'],
  ['does not parse', 'const = 1;', 'SyntaxError'],
  ['writes something else', "console.log('three'); // => two", 'did not write the line "two"'],
  [
    'writes in another order',
    "console.log('one'); // => two\nconsole.log('two'); // => one",
    'did not write the line "one"',
  ],
  ['pins a server that is not there', "console.log('SHA256:...');", 'pins a server'],
])('a program that %s is found out', async (_name, source, problem) => {
  const result = await runProgram(project, program(source)).catch((error: Error) => error.message);
  expect(result).toContain(problem);
});

const server = `import { createServer } from 'node:net';
console.log('fingerprint SHA256:${'a'.repeat(43)}');
createServer((socket) => { console.log('met'); socket.end('hello'); }).listen(9000, '127.0.0.1'); // => met`;
const client = `import { connect } from 'node:net';
connect(9000, '127.0.0.1').on('data', (data) => console.log(String(data) + ' SHA256:...'));
console.log(process.argv[2] === 'SHA256:...'); // => true`;

test('a client runs beside its server, with a free port and the fingerprint', async () => {
  const pinned = program(`${client} // => hello SHA256:${'a'.repeat(43)}`.replace('// => true', ''));
  expect(await runProgram(project, pinned, program(server))).toBeUndefined();
  expect(await runProgram(project, program(client), program(server))).toBeUndefined();
});

test.each([
  ['crashes at once', "throw new Error('no');", 'the server ended before it listens'],
  [
    'crashes when it is called',
    `${server.replace("console.log('met')", "throw new Error('no')")}`,
    /Error: no|ECONNRESET/,
  ],
])('a server that %s is found out', async (_name, source, problem) => {
  const result = await runProgram(project, program(client), program(source)).catch(
    (error: Error) => error.message,
  );
  expect(result).toMatch(problem);
});

test('a wrong type in an example is found out', { timeout: 120_000 }, () => {
  const wrong = program('const a: number = true;\nconsole.log(a);', { language: 'ts' });
  const right = program('const a: boolean = true;\nconsole.log(a);', { language: 'ts' });
  expect(typeProblems(project, [wrong, right])).toEqual([
    expect.stringMatching(/check\.mts:1 Type 'boolean' is not/),
  ]);
});

test('the @example tags of a source are found with their lines', () => {
  const source = [
    '/** A.',
    ' * @example',
    ' * <!-- example: a -->',
    ' * ```ts',
    ' * if (a) {',
    ' *   b();',
    ' * }',
    ' * ```',
    ' */',
    'export class A {',
    '  /** B. @example none */ b(): void {}',
    '}',
  ];
  expect(examplesOf('a.ts', source.join('\n'))).toEqual([
    { name: 'a.ts:2', text: '<!-- example: a -->\n```ts\nif (a) {\n  b();\n}\n```' },
    { name: 'a.ts:11', text: 'none' },
  ]);
});
