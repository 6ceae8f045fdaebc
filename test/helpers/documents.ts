import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { visitNodes } from './imports.js';
import { root } from './pack.js';

/** A piece of Markdown and where it stands. */
export interface Document {
  /** Path from the root of this checkout; for a comment in a source, with the line. */
  readonly name: string;
  readonly text: string;
}

/** A Markdown file of this checkout. Throws if it does not exist. */
export function readDocument(name: string): Document {
  return { name, text: readFileSync(join(root, name), 'utf8') };
}

/** README and everything in `docs`; what is missing is missing here too. */
export function readerDocuments(): Document[] {
  const files = ['README.md', ...list('docs').filter((name) => name.endsWith('.md'))];
  return files.filter((name) => existsSync(join(root, name))).map(readDocument);
}

/** Every Markdown file that is ours. */
export function allDocuments(): Document[] {
  const top = readdirSync(root).filter((name) => name.endsWith('.md'));
  const below = ['docs', 'examples', 'bench', 'test'].flatMap(list).filter((name) => name.endsWith('.md'));
  return [...top, ...below].map(readDocument);
}

/** Every `@example` of the sources. */
export function sourceExamples(): Document[] {
  const files = ['src', 'backends'].flatMap(list).filter((name) => name.endsWith('.ts'));
  return files.flatMap((file) => examplesOf(file, readFileSync(join(root, file), 'utf8')));
}

/** The `@example` tags of one source. */
export function examplesOf(file: string, source: string): Document[] {
  const found = new Map<number, Document>();
  visitNodes(file, source, (node) => {
    for (const tag of ts.getJSDocTags(node)) {
      if (tag.tagName.text !== 'example') continue;
      const line = source.slice(0, tag.getStart()).split('\n').length;
      found.set(tag.pos, { name: `${file}:${line}`, text: ts.getTextOfJSDocComment(tag.comment) ?? '' });
    }
  });
  return [...found.values()];
}

function list(folder: string): string[] {
  const path = join(root, folder);
  if (!existsSync(path)) return [];
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' });
  const paths = names.map((name) => `${folder}/${name.replaceAll('\\', '/')}`);
  return paths.filter((path) => !path.includes('/node_modules/')).sort();
}
