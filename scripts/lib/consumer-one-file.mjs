// Programs of one file with the packed package in it, for scripts/test-consumers.mjs: a program and the command, bundled by
// esbuild and by rollup, as an ES module and as CommonJS, and executables that Node and Bun make of them. Neither
// node-forge nor sodium-native is installed, and they run where no packages are.
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { LIMIT, project, run, waitForOutput } from './consumer-project.mjs';
import { root } from './root.mjs';
import { binaryOf, installRuntimes } from './runtimes.mjs';

const packages = [
  'esbuild@0.27.7',
  'rollup@4.67.4',
  '@rollup/plugin-node-resolve@16',
  '@rollup/plugin-commonjs@29',
  'postject@1.0.0-alpha.6',
];

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

const source = `import { connect, Identity, listen } from 'secure-sockets';
async function main() {
  const identity = await Identity.generate({ role: 'server', modulusLength: 2048 });
  const server = await listen({ host: '127.0.0.1', port: 0, identity });
  const client = await connect(server.address, { serverKey: identity.fingerprint });
  await client.send(new TextEncoder().encode('hello'));
  const peer = await server.accept();
  const message = await peer.recv();
  console.log(new TextDecoder().decode(message));
  await client.close();
  await server.close();
}
void main();
`;

/** What postject looks for, the same in every Node: nodejs.org/api/single-executable-applications.html. */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

const formats = { esm: 'mjs', cjs: 'cjs' };

/** A bundler by name: writes a bundle of a file, in a format, and gives its warnings. */
const bundlers = {
  async esbuild(path, input, format, outfile) {
    const { build } = await load(path, 'esbuild/lib/main.js');
    const { warnings } = await build({
      ...{ entryPoints: [input], outfile, format, bundle: true, platform: 'node', logLevel: 'silent' },
    });
    return warnings.map(({ text }) => text);
  },
  async rollup(path, input, format, file) {
    const { rollup } = await load(path, 'rollup/dist/es/rollup.js');
    const { nodeResolve } = await load(path, '@rollup/plugin-node-resolve/dist/es/index.js');
    const { default: commonjs } = await load(path, '@rollup/plugin-commonjs/dist/es/index.js');
    const warnings = [];
    const onwarn = ({ code, message }) => {
      // what is not installed stays an import, and smol-toml imports in a circle
      if (code !== 'UNRESOLVED_IMPORT' && code !== 'CIRCULAR_DEPENDENCY') warnings.push(message);
    };
    const plugins = [nodeResolve({ exportConditions: ['node'] }), commonjs()];
    const built = await rollup({ input, onwarn, plugins });
    await built.write({ file, format, inlineDynamicImports: true });
    return warnings;
  },
};

/** The bundles of the program and of the command, in a folder without packages. */
export async function bundlesOf(tarball) {
  const path = await project(tarball, 'one-file', { type: 'module' }, ...packages);
  const program = join(path, 'program.js');
  writeFileSync(program, source);
  const inputs = { program, command: join(path, 'node_modules/secure-sockets/dist/cli.js') };
  const folder = join(path, '../one-file-elsewhere');
  mkdirSync(folder);
  const bundles = [];
  for (const [bundler, bundle] of Object.entries(bundlers))
    for (const [format, extension] of Object.entries(formats)) {
      const made = { name: `${bundler}, ${format}`, format, warnings: [] };
      for (const [what, input] of Object.entries(inputs)) {
        made[what] = join(folder, `${bundler}-${what}.${extension}`);
        made.warnings.push(...(await bundle(path, input, format, made[what])));
      }
      bundles.push(made);
    }
  return { path, folder, inputs, bundles };
}

/** What the bundlers warned of, and what does not work of executables by Bun. */
export async function* buildProblems({ folder, inputs, bundles }) {
  for (const { name, warnings } of bundles) yield { name, problem: warnings.join('\n') || undefined };
  installRuntimes();
  const compile = async (what) => {
    const outfile = join(folder, `bun-${what}`);
    await run(binaryOf('bun'), ['build', '--compile', inputs[what], '--outfile', outfile]);
    return outfile;
  };
  yield { name: 'bun build --compile', problem: await executableProblem(folder, compile) };
}

/** What does not work of the bundles on a version of Node, and of the executables that it makes of those by esbuild. */
export async function* oneFileProblems({ path, folder, bundles }, { version, file: node }) {
  for (const { name, program, command } of bundles)
    yield { name, problem: await problemOf(folder, [node, program], [node, command]) };
  const isBuiltIn = Number.parseInt(version.slice(1), 10) >= 26;
  for (const bundle of bundles.filter(({ name }) => name.startsWith('esbuild'))) {
    const { name, format } = bundle;
    // an older Node makes executables of CommonJS alone, and in two steps
    if (!isBuiltIn && format !== 'cjs') continue;
    if (!isBuiltIn && !readFileSync(node).includes(FUSE)) {
      yield { name: `${name}, as an executable: not by this build of Node, which is not in one file itself` };
      continue;
    }
    const make = (what) =>
      isBuiltIn ? buildSea(node, bundle[what], format) : injectSea(path, node, bundle[what]);
    yield { name: `${name}, as an executable`, problem: await executableProblem(folder, make) };
  }
}

async function executableProblem(folder, make) {
  const files = [];
  try {
    for (const what of ['program', 'command']) files.push(await make(what));
    return await problemOf(folder, ...files.map((file) => [file]));
  } catch (error) {
    return textOf(error);
  } finally {
    // each has a whole runtime in it
    for (const file of files) rmSync(file);
  }
}

async function buildSea(node, main, format) {
  const [output, settings] = [`${main}-executable`, `${main}.json`];
  const mainFormat = format === 'cjs' ? 'commonjs' : 'module';
  writeFileSync(settings, JSON.stringify({ main, mainFormat, output, disableExperimentalSEAWarning: true }));
  await run(node, ['--build-sea', settings]);
  return output;
}

async function injectSea(path, node, main) {
  const [executable, output, settings] = [`${main}-executable`, `${main}.blob`, `${main}.json`];
  writeFileSync(settings, JSON.stringify({ main, output, disableExperimentalSEAWarning: true }));
  await run(node, ['--experimental-sea-config', settings]);
  copyFileSync(node, executable);
  const postject = join(path, 'node_modules/postject/dist/cli.js');
  const given = [executable, 'NODE_SEA_BLOB', output, '--sentinel-fuse', FUSE];
  await run(process.execPath, [postject, ...given]);
  return executable;
}

/** What a program and the command do wrong, both as lists of what to run and what to give it; nothing if they work. */
function problemOf(folder, program, command) {
  return tryOut(folder, program, command).then(() => undefined, textOf);
}

function textOf({ message, stdout = '' }) {
  return `${message}\n${stdout}`;
}

async function tryOut(folder, program, command) {
  const ask = ([file, ...first], ...args) => run(file, [...first, ...args], { cwd: folder, timeout: LIMIT });
  expectText((await ask(program)).stdout, 'hello\n');
  expectText((await ask(command, '--version')).stdout, `${version}\n`);
  await ask(command, 'keygen', '--bits', '2048', '-o', 'key.pem');
  await exchange((...args) => ask(command, ...args));
  rmSync(join(folder, 'key.pem'));
  for (const backend of ['sodium', 'forge']) {
    const { code, stderr = '' } = await ask(command, 'keygen', '--backend', backend).catch((error) => error);
    expectText(
      `${code} ${stderr.split('\n')[0]}`,
      `2 secure-sockets: the ${backend} backend is not part of a command that was bundled into one file`,
    );
  }
}

/** The command at both ends. */
async function exchange(ask) {
  const listening = ask('listen', '--identity', 'key.pem', '127.0.0.1:0');
  listening.child.stdin.end('back');
  try {
    const [, address, key] = await waitForOutput(
      listening.child,
      /at (127\.0\.0\.1:\d+), key (SHA256:\S{43})/,
    );
    const connecting = ask('connect', '--server-key', key, address);
    connecting.child.stdin.end('there');
    expectText((await connecting).stdout, 'back');
    expectText((await listening).stdout, 'there');
  } finally {
    listening.catch(() => {});
    listening.child.kill();
  }
}

function expectText(text, expected) {
  if (text !== expected) throw new Error(`it wrote ${JSON.stringify(text)}, not ${JSON.stringify(expected)}`);
}

function load(path, file) {
  return import(pathToFileURL(join(path, 'node_modules', file)).href);
}
