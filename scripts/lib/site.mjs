// Copies the documents to site/content, where VitePress finds them: links to sources become links to the repository,
// links to documents stay links. The API reference is made by TypeDoc.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { changeLinks, changeProse } from './readme-links.mjs';
import { addressOf } from './repository.mjs';
import { run } from './run.mjs';

const chapters = [
  [
    'Start',
    ['README.md', 'docs/getting-started.md', 'docs/recipes.md', 'docs/api.md', 'docs/from-node-tls.md'],
  ],
  ['Command and peers', ['docs/cli.md', 'docs/python.md']],
  [
    'Security',
    ['docs/protocol.md', 'docs/formal/README.md', 'docs/security.md', 'docs/limits.md', 'SECURITY.md'],
  ],
  [
    'Measured',
    [
      'docs/benchmarks/README.md',
      'docs/benchmarks/profiles.md',
      'docs/benchmarks/browser.md',
      'docs/benchmarks/tunnel.md',
      'docs/benchmarks/evidence.md',
      'docs/testing.md',
    ],
  ],
  ['Project', ['docs/architecture.md', 'docs/stability.md', 'CONTRIBUTING.md', 'CHANGELOG.md']],
];

/** Fills site/content anew. Throws if a document belongs to no chapter. */
export function stageSite(root) {
  const content = join(root, 'site/content');
  rmSync(content, { recursive: true, force: true });
  const staged = chapters.flatMap(([, names]) => names).filter((name) => existsSync(join(root, name)));
  const documents = [...staged, ...documentsBelow(root, 'docs')].filter(
    (name, at, all) => all.indexOf(name) === at,
  );
  const context = { root, documents, images: new Set(), repository: repositoryOf(root) };
  for (const name of documents) write(join(content, pageOf(name)), stageDocument(context, name));
  for (const image of context.images) write(join(content, image), readFileSync(join(root, image)));
  makeReference(root, join(content, 'reference'));
  write(join(content, 'pages.json'), JSON.stringify({ sidebar: sidebarOf(root, content) }, null, 2));
}

function documentsBelow(root, folder) {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
    .filter((name) => name.endsWith('.md'));
}

/** A folder's README is its index. */
function pageOf(name) {
  return name.replace(/(^|\/)README\.md$/, '$1index.md');
}

function repositoryOf(root) {
  return addressOf(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));
}

/** The text of a document as the site shows it; images it needs are added to `context.images`. */
export function stageDocument(context, name) {
  const text = readFileSync(join(context.root, name), 'utf8');
  const linked = changeLinks(withoutHiddenParts(text), (link) => stageLink(context, name, link));
  // Vue would interpret these
  return changeProse(linked, (prose) => prose.replaceAll('{{', '&#123;&#123;'));
}

/** Parts of programs that only the tests see. */
function withoutHiddenParts(text) {
  return text.replace(/^[ \t]*<!--[\s\S]*?-->[ \t]*\n?/gm, '');
}

function stageLink(context, from, { whole, mark, label, target }) {
  if (/^[\w+.-]+:|^#/.test(target)) return whole;
  const [path, anchor] = target.split('#');
  const file = posix.join(posix.dirname(from), path);
  const hash = anchor === undefined ? '' : `#${anchor}`;
  if (context.documents.includes(file)) return `${mark}[${label}](/${pageOf(file)}${hash})`;
  if (mark === '!') {
    context.images.add(file);
    return `![${label}](/${file})`;
  }
  if (context.repository === undefined) return `${label} (\`${file}\`)`;
  const kind = statSync(join(context.root, file)).isDirectory() ? 'tree' : 'blob';
  return `[${label}](${context.repository}/${kind}/main/${file}${hash})`;
}

function makeReference(root, out) {
  const format = ['--plugin', 'typedoc-plugin-markdown', '--hidePageHeader', '--hideBreadcrumbs'];
  const files = ['--out', out, '--readme', 'none', '--entryFileName', 'index'];
  run(root, 'npx', 'typedoc', ...format, ...files, '--logLevel', 'Warn');
}

function sidebarOf(root, content) {
  const items = (names) =>
    names
      .filter((name) => existsSync(join(root, name)))
      .map((name) => ({
        text: titleOf(join(content, pageOf(name))),
        link: `/${pageOf(name).replace(/(index)?\.md$/, '')}`,
      }));
  const written = chapters.map(([text, names]) => ({ text, items: items(names) }));
  // made when the pages are bundled, so the router does not know it
  written.at(-1).items.push({ text: 'Licences', link: '/licences.html', target: '_self' });
  return [...written, { text: 'API reference', items: referenceItems(content) }];
}

function referenceItems(content) {
  const modules = readdirSync(join(content, 'reference'), { recursive: true, encoding: 'utf8' })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => name.endsWith('index.md') && name !== 'index.md');
  const top = { text: 'All modules', link: '/reference/' };
  return [
    top,
    ...modules.sort().map((name) => ({ text: dirname(name), link: `/reference/${dirname(name)}/` })),
  ];
}

function titleOf(path) {
  return /^# (.+)$/m.exec(readFileSync(path, 'utf8'))?.[1]?.replaceAll('`', '') ?? path;
}

function write(path, contents) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, contents);
}
