// Makes the declarations in dist/ complete for programs that have neither @types/node nor lib.dom, and check them
// (skipLibCheck: false), and gives CommonJS programs declarations of their own. Runs after every build.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readArguments } from './lib/arguments.mjs';

readArguments('Usage: npm run build');
const folder = fileURLToPath(new URL('../dist', import.meta.url));

/**
 * What is named of the platform's own types. Where lib.dom or @types/node are, these merge with theirs and add nothing;
 * where they are not, they are all there is.
 */
const globals = {
  AbortSignal: 'interface AbortSignal { readonly aborted: boolean }',
  URL: 'interface URL { href: string }',
  ReadableStream: 'interface ReadableStream<R = any> {}',
  WritableStream: 'interface WritableStream<W = any> {}',
  'Symbol.asyncDispose': 'interface SymbolConstructor { readonly asyncDispose: unique symbol }',
};

for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
  if (!name.endsWith('.d.ts')) continue;
  const path = join(folder, name);
  const text = readFileSync(path, 'utf8');
  if (text.includes('declare global')) continue;
  const complete = withGlobals(withOptionalNode(text));
  writeFileSync(path, complete);
  writeFileSync(path.replace(/ts$/, 'cts'), requirable(complete));
}

/**
 * The same declarations for `require()`, which gives the same module: in a CommonJS program TypeScript refuses those of an
 * ES module with `"module": "node16"`, and before 5.8 with `"nodenext"` (TS1479).
 */
function requirable(text) {
  return text.replace(/(?<=from '\.[^']*)\.js(?=';)/g, '.cjs');
}

/** Types of Node become `any` where there is no @types/node. */
function withOptionalNode(text) {
  return text.replace(
    /^import [^\n]* from 'node:[^\n]*$/gm,
    (line) => `// @ts-ignore: needs @types/node\n${line}`,
  );
}

function withGlobals(text) {
  const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '');
  const used = Object.entries(globals).filter(([name]) =>
    new RegExp(`(?<![\\w.])${name.replace('.', '\\.')}\\b`).test(code),
  );
  if (used.length === 0) return text;
  const lines = used.map(([, declaration]) => `  ${declaration}`).join('\n');
  return `${text.trimEnd()}\n\ndeclare global {\n${lines}\n}\n`;
}
