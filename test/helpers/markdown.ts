/**
 * A program that a document shows. A fenced block is a program of its own, unless a comment before it says otherwise:
 *
 * - `<!-- example: NAME -->`: the block belongs to the program NAME, with the other blocks of that name in this
 *   document, in order. NAME may be a file name.
 * - `<!-- example: NAME with OTHER -->`: and runs while the program OTHER, a server, is running.
 * - the same comment over several lines: they are code of the program that the reader is not shown.
 * - `<!-- not run: REASON -->`: the block is not run.
 */
export interface Program {
  readonly name: string;
  readonly language: Language;
  readonly source: string;
  /** Where its first visible line is, counted from 1. */
  readonly line: number;
  /** The server that has to be running. */
  readonly server?: string;
}

/** The kinds of block that are run. */
export type Language = 'ts' | 'js' | 'cjs';

/** What a document holds. */
export interface Programs {
  readonly programs: readonly Program[];
  readonly notRun: readonly { readonly line: number; readonly reason: string }[];
}

/** Reads the programs of a Markdown document. Throws an `Error` naming the line if a comment is not understood. */
export function readPrograms(markdown: string): Programs {
  const builders = new Map<string, Builder>();
  const notRun: { line: number; reason: string }[] = [];
  let comment: Comment | undefined;
  for (const item of readItems(markdown)) {
    if (item.kind === 'block') {
      const language = languages[item.language];
      if (comment?.skip !== undefined) notRun.push({ line: item.line, reason: comment.skip });
      else if (language) addPiece(builders, comment ?? { name: `line ${item.line}` }, item, language);
      comment = undefined;
      continue;
    }
    if (comment) throw new Error(`line ${item.line}: the example comment above has no block under it`);
    const parsed = item.kind === 'comment' ? parseComment(item.text, item.line) : undefined;
    if (parsed?.hidden === undefined) comment = parsed;
    else addPiece(builders, parsed, { code: parsed.hidden, line: item.line }, undefined);
  }
  if (comment) throw new Error('the last example comment has no block under it');
  return { programs: [...builders].map(([name, builder]) => build(name, builder)), notRun };
}

/** A heading: its text without markup, and the anchor that GitHub gives it. */
export interface Heading {
  readonly text: string;
  readonly level: number;
  readonly anchor: string;
  readonly line: number;
}

/** The headings of a document, outside of its blocks. */
export function readHeadings(markdown: string): Heading[] {
  const seen = new Map<string, number>();
  return readItems(markdown).flatMap((item) => {
    const match = item.kind === 'text' ? /^(#{1,6}) +(.+?)(?: +#+)?$/.exec(item.text) : null;
    if (!match?.[1] || !match[2]) return [];
    const text = match[2].replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[`*]/g, '');
    const slug = text
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}\p{Pc}\- ]/gu, '')
      .replaceAll(' ', '-');
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    return [{ text, level: match[1].length, anchor: times ? `${slug}-${times}` : slug, line: item.line }];
  });
}

/** The lines of a document outside of its blocks and comments, inline code blanked out. */
export function readProse(markdown: string): { readonly line: number; readonly text: string }[] {
  return readItems(markdown).flatMap((item) =>
    item.kind === 'text'
      ? [{ line: item.line, text: item.text.replace(/(`+)(?!`).*?(?<!`)\1(?!`)/g, '') }]
      : [],
  );
}

/** A table: its cells as written. */
export interface Table {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** The tables of a document, outside of its blocks. */
export function readTables(markdown: string): Table[] {
  const tables: { line: number; header: string[]; rows: string[][] }[] = [];
  for (const item of readItems(markdown)) {
    if (item.kind !== 'text' || !item.text.trimStart().startsWith('|')) continue;
    const { line, text } = item;
    const cells = text
      .trim()
      .replace(/^\||(?<!\\)\|$/g, '')
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim());
    const last = tables.at(-1);
    // The line under the header, of dashes, is taken for a row and left out.
    if (last && last.line + last.rows.length + 1 === line) last.rows.push(cells);
    else tables.push({ line, header: cells, rows: [] });
  }
  return tables.map(({ header, rows }) => ({ header, rows: rows.slice(1) }));
}

/** A link or picture, and where it is. */
export interface Link {
  readonly line: number;
  readonly target: string;
}

/** The links of a document: inline, by reference, and those in HTML. */
export function readLinks(markdown: string): Link[] {
  return readProse(markdown).flatMap(({ line, text }) =>
    [...text.matchAll(linkPattern)].map(([, ...targets]) => ({ line, target: targets.find(Boolean) ?? '' })),
  );
}

const linkPattern =
  /\]\(<?([^)\s>]+)[^)]*\)|^ *\[[^\]]+\]: +<?([^\s>]+)|<(https?:[^>\s]+)>|(?:href|src|srcset)="([^"\s]+)/g;

const languages: Readonly<Record<string, Language>> = {
  ts: 'ts',
  mts: 'ts',
  typescript: 'ts',
  js: 'js',
  mjs: 'js',
  javascript: 'js',
  cjs: 'cjs',
};

type Item =
  | { readonly kind: 'block'; readonly line: number; readonly language: string; readonly code: string }
  | { readonly kind: 'comment' | 'text'; readonly line: number; readonly text: string };

function readItems(markdown: string): Item[] {
  const lines = markdown.split(/\r?\n/);
  const items: Item[] = [];
  for (let at = 0; at < lines.length; at++) {
    const first = lines[at] ?? '';
    const line = at + 1;
    const fence = /^( *)(`{3,}|~{3,}) *([\w-]*)/.exec(first);
    if (fence?.[2]) {
      const end = findFrom(lines, at + 1, (text) => text.trim() === fence[2]);
      if (end < 0) throw new Error(`line ${line}: the block has no end`);
      const code = lines.slice(at + 1, end).map((text) => dedent(text, fence[1]?.length ?? 0));
      items.push({ kind: 'block', line, language: fence[3] ?? '', code: `${code.join('\n')}\n` });
      at = end;
    } else if (first.trimStart().startsWith('<!--')) {
      const end = findFrom(lines, at, (text) => text.includes('-->'));
      if (end < 0) throw new Error(`line ${line}: the comment has no end`);
      items.push({
        kind: 'comment',
        line,
        text: lines
          .slice(at, end + 1)
          .join('\n')
          .trim(),
      });
      at = end;
    } else if (first.trim() !== '') items.push({ kind: 'text', line, text: first });
  }
  return items;
}

function findFrom(lines: readonly string[], start: number, matches: (text: string) => boolean): number {
  return lines.findIndex((text, index) => index >= start && matches(text));
}

function dedent(text: string, width: number): string {
  return text.slice(Math.min(width, text.length - text.trimStart().length));
}

interface Comment {
  readonly name?: string;
  readonly server?: string | undefined;
  readonly hidden?: string;
  readonly skip?: string;
}

function parseComment(text: string, line: number): Comment | undefined {
  const body = text.slice('<!--'.length, text.lastIndexOf('-->'));
  if (!/^\s*(example|not run)\b/.test(body)) return undefined;
  const skip = /^\s*not run: *(\S.*?)\s*$/.exec(body);
  if (skip?.[1]) return { skip: skip[1] };
  const match = /^ *example: *([\w.-]+)(?: +with +([\w.-]+))? *(?:\n(.*))?$/s.exec(body);
  if (!match?.[1]) throw new Error(`line ${line}: this comment is not understood: ${text}`);
  const [, name, server, hidden] = match;
  return hidden === undefined ? { name, server } : { name, server, hidden };
}

interface Builder {
  source: string;
  line: number;
  language: Language | undefined;
  server: string | undefined;
}

function addPiece(
  builders: Map<string, Builder>,
  { name = '', server }: Comment,
  { code, line }: { code: string; line: number },
  language: Language | undefined,
): void {
  const builder = builders.get(name) ?? { source: '', line, language: undefined, server: undefined };
  if (builder.language === undefined && language) builder.line = line;
  builder.source += code;
  builder.server ??= server;
  if (language && builder.language !== 'ts') builder.language = language;
  builders.set(name, builder);
}

function build(name: string, { source, line, language, server }: Builder): Program {
  if (language === undefined) throw new Error(`line ${line}: the example ${name} shows nothing`);
  return server === undefined ? { name, language, source, line } : { name, language, source, line, server };
}
