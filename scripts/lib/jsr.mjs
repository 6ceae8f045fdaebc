// The package as JSR takes it: what is built, with its types named in each module that is exported.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import ts from 'typescript';
import { root } from './root.mjs';

/** Under which name; the scope has to belong to whoever publishes. */
const NAME = '@secure-sockets/secure-sockets';
/** Without the backends whose packages are native, or no ES modules. */
const entries = ['.', './testing', './backends/node', './backends/web', './backends/noble'];

/** Fills an empty folder. The build has to be there. */
export function writeJsrPackage(folder) {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const modules = entries.map((name) => [name, modulesOf(manifest.exports[name])]);
  const packages = new Set();
  const done = new Set();
  for (const [, { code, types }] of modules)
    for (const file of [code, types]) copy(file, folder, packages, done);
  for (const [, { code, types }] of modules)
    nameTypes(join(folder, code), posix.relative(dirname(code), types));
  for (const file of ['LICENSE', 'README.md']) copyFileSync(join(root, file), join(folder, file));
  const config = {
    ...{ name: NAME, version: manifest.version, license: manifest.license },
    exports: Object.fromEntries(modules.map(([name, { code }]) => [name, `./${code}`])),
    // what is built is ignored by git
    publish: { exclude: ['!**'] },
    imports: importsOf(packages, { ...manifest.dependencies, ...manifest.peerDependencies }),
  };
  writeFileSync(join(folder, 'deno.json'), `${JSON.stringify(config, null, 2)}\n`);
}

/** What Node takes for an entry: Deno has its modules. */
function modulesOf({ node, types, default: otherwise }) {
  return { code: posix.normalize(node ?? otherwise), types: posix.normalize(types.default) };
}

/** Copies a file and all that it imports; `packages` gets the names of what is not a file. */
function copy(file, folder, packages, done) {
  if (done.has(file)) return;
  done.add(file);
  const text = readFileSync(join(root, file), 'utf8');
  const isTypes = file.endsWith('.d.ts');
  for (const { fileName: name } of ts.preProcessFile(text).importedFiles) {
    if (name.startsWith('.')) copy(pathOf(posix.join(dirname(file), name), isTypes), folder, packages, done);
    else if (!name.startsWith('node:')) packages.add(name);
  }
  mkdirSync(join(folder, dirname(file)), { recursive: true });
  writeFileSync(
    join(folder, file),
    isTypes ? typesOf(text) : text.replace(/^\/\/# sourceMappingURL=.*$/m, ''),
  );
}

function pathOf(path, isTypes) {
  return isTypes ? path.replace(/\.js$/, '.d.ts') : path;
}

/** Deno takes the name that a file has, and has the types of the platform: JSR refuses more of them. */
function typesOf(text) {
  return text
    .replace(/(?<=from '\.[^']*)\.js(?=';)/g, '.d.ts')
    .replace(/\ndeclare global \{[\s\S]*\n\}\n$/, '');
}

function nameTypes(path, types) {
  writeFileSync(path, `/* @ts-self-types="./${types}" */\n${readFileSync(path, 'utf8')}`);
}

function importsOf(packages, versions) {
  const imports = {};
  for (const name of [...packages].sort()) {
    const [found] = /^(?:@[^/]+\/)?[^/]+/.exec(name);
    if (versions[found] === undefined)
      throw new Error(`${name} is imported, and package.json has no version of it`);
    imports[name] = `npm:${found}@${versions[found]}${name.slice(found.length)}`;
  }
  return imports;
}
