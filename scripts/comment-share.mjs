// How much of the library is comment: lines that carry one, as TypeScript's scanner finds them, of all lines that are not
// blank, by folder: node scripts/comment-share.mjs
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { readArguments } from './lib/arguments.mjs';
import { root } from './lib/root.mjs';

readArguments('Usage: node scripts/comment-share.mjs');
const shares = new Map();
for (const folder of ['src', 'backends'])
  for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }))
    if (name.endsWith('.ts')) add(join(folder, name));
for (const [folder, { comments, lines }] of shares) print(folder, comments, lines);
const sum = (member) => [...shares.values()].reduce((total, share) => total + share[member], 0);
print('all', sum('comments'), sum('lines'));

function add(file) {
  const text = readFileSync(join(root, file), 'utf8');
  const folder = dirname(file).split('/').slice(0, 2).join('/');
  const share = shares.get(folder) ?? { comments: 0, lines: 0 };
  share.comments += commentLines(file, text).size;
  share.lines += text.split('\n').filter((line) => line.trim() !== '').length;
  shares.set(folder, share);
}

function commentLines(file, text) {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const lineAt = (place) => source.getLineAndCharacterOfPosition(place).line;
  const found = new Set();
  const note = (ranges) => {
    for (const { pos, end } of ranges ?? [])
      for (let line = lineAt(pos); line <= lineAt(end); line++) found.add(line);
  };
  const visit = (node) => {
    note(ts.getLeadingCommentRanges(text, node.pos));
    note(ts.getTrailingCommentRanges(text, node.end));
    for (const child of node.getChildren(source)) visit(child);
  };
  visit(source);
  return found;
}

function print(folder, comments, lines) {
  console.log(`${folder.padEnd(18)} ${((100 * comments) / lines).toFixed(1).padStart(5)} % of ${lines}`);
}
