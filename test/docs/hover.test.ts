import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { serverTable } from '../../src/options/server-table.js';
import { clientTable, type OptionRow } from '../../src/options/table.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What an editor shows for each name that programs give in an object as `undefined`, by program and name. */
function hovers(programs: readonly string[]): Map<string, string>[] {
  const config = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile).config;
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const texts = new Map(programs.map((text, index) => [join(root, `test/docs/program-${index}.ts`), text]));
  const read = (path: string) => texts.get(path) ?? ts.sys.readFile(path);
  const service = ts.createLanguageService({
    getScriptFileNames: () => [...texts.keys()],
    getScriptVersion: () => '1',
    getScriptSnapshot: (path) => {
      const text = read(path);
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
    },
    getCurrentDirectory: () => root,
    getCompilationSettings: () => options,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: (path) => texts.has(path) || ts.sys.fileExists(path),
    readFile: read,
  });
  const hover = (path: string, index: number) =>
    ts.displayPartsToString(service.getQuickInfoAtPosition(path, index)?.documentation);
  return [...texts].map(
    ([path, text]) =>
      new Map(
        [...text.matchAll(/(\w+): undefined/g)].map(({ 1: name = '', index }) => [name, hover(path, index)]),
      ),
  );
}

/** The options that a protocol has, each given as nothing; sealed is not named, as programs do not. */
function given(table: object, protocol: 'sealed' | 'classic'): string {
  const rows = Object.entries(table as Record<string, OptionRow<unknown>>);
  const own = rows.filter(([name, { only = protocol }]) => name !== 'protocol' && only === protocol);
  const names = own.map(([name]) => `${name}: undefined`);
  return [...(protocol === 'classic' ? ["protocol: 'classic'"] : []), ...names].join(', ');
}

const calls: [call: string, table: object, entries: string[]][] = [
  ['new SecureClient({ OPTIONS })', clientTable, ['index', 'browser']],
  ['new SecureServer({ OPTIONS })', serverTable, ['index', 'browser']],
  ['connect({ port: 1 }, { OPTIONS })', clientTable, ['index']],
  ['listen({ port: 1, OPTIONS })', serverTable, ['index']],
];
const programs = calls.flatMap(([call, table, entries]) =>
  entries.flatMap((entry) =>
    (['sealed', 'classic'] as const).map((protocol) => {
      const name = /\w+(?=\()/.exec(call)?.[0];
      const text = `import { ${name} } from '../../src/${entry}.js';\nvoid ${call.replace('OPTIONS', given(table, protocol))};`;
      return { what: `${call} of ${entry}.ts, ${protocol}`, text };
    }),
  ),
);

describe('an editor shows the sentence of every option', { timeout: 120_000 }, () => {
  let shown: Map<string, string>[] | undefined;

  test.each(programs.map(({ what }, index) => [what, index] as const))('%s', (_, index) => {
    shown ??= hovers(programs.map(({ text }) => text));
    const sentences = [...(shown[index] ?? [])];
    expect(sentences.length).toBeGreaterThan(10);
    expect(sentences.filter(([, text]) => text === '').map(([name]) => name)).toEqual([]);
  });

  test('one without a sentence is found out', () => {
    const [found] = hovers(['const one: { a?: number | undefined } = { a: undefined };\nvoid one;']);
    expect(found).toEqual(new Map([['a', '']]));
  });
});
