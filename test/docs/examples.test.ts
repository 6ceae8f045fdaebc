import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readDocument, readerDocuments, sourceExamples } from '../helpers/documents.js';
import { runProgram, typeProblems } from '../helpers/examples.js';
import { type Program, readPrograms } from '../helpers/markdown.js';
import { installPackage, type Project, root } from '../helpers/pack.js';

const documents = [...readerDocuments(), ...sourceExamples()].map(({ name, text }) => ({
  name,
  ...readPrograms(text),
}));
let project: Project;

beforeAll(async () => {
  project = await installPackage('node-forge', 'sodium-native', 'ws');
}, 120_000);
afterAll(() => project?.remove());

describe('the first screen of README.md', () => {
  test('shows a server and a client of about ten lines, in JavaScript, and the commands', () => {
    expect(existsSync(join(root, 'README.md')), 'README.md is missing').toBe(true);
    const { text } = readDocument('README.md');
    const { programs } = readPrograms(text);
    for (const name of ['server.mjs', 'client.mjs']) {
      const program = programs.find((one) => one.name === name);
      if (!program)
        throw new Error(`README.md has no program ${name}: mark its block with <!-- example: ${name} -->`);
      expect(program.language).toBe('js');
      expect(program.line, `${name} starts on the first screen`).toBeLessThan(60);
      expect(codeLines(program), `lines of ${name}`).toBeLessThanOrEqual(12);
    }
    const firstScreen = text.split('\n').slice(0, 80).join('\n');
    expect(firstScreen).toContain('npm run demo');
    expect(firstScreen).toContain('npm cit');
  });
});

// Each one as a reader would run it: plain node, the packed package, an empty project.
describe.concurrent.each(documents.filter(({ programs }) => programs.length > 0))('$name', ({ programs }) => {
  const servers = new Set(programs.map(({ server }) => server));
  const runnable = programs
    .filter(({ name }) => !servers.has(name))
    .map((program) => [program.name, program] as const);

  test.each(runnable)('%s runs', { timeout: 120_000 }, async (_name, program) => {
    const server = programs.find(({ name }) => name === program.server);
    if (program.server && !server) throw new Error(`there is no program ${program.server} in this document`);
    expect(await runProgram(project, program, server)).toBeUndefined();
  });
});

test('the examples in TypeScript are correct in every type', { timeout: 120_000 }, () => {
  expect(
    typeProblems(
      project,
      documents.flatMap(({ programs }) => programs),
    ),
  ).toEqual([]);
});

test('few examples are not run', () => {
  const notRun = documents.flatMap(({ name, notRun }) =>
    notRun.map(({ line, reason }) => `${name}:${line} ${reason}`),
  );
  expect(notRun.length, notRun.join('\n')).toBeLessThanOrEqual(5);
});

test('every @example of the sources holds a block that can be run', () => {
  for (const { name, text } of sourceExamples()) {
    const { programs, notRun } = readPrograms(text);
    expect(programs.length + notRun.length, `${name} has a fenced block`).toBeGreaterThan(0);
  }
});

function codeLines({ source }: Program): number {
  return source.split('\n').filter((line) => line.trim() !== '' && !line.trim().startsWith('//')).length;
}
