// The package under jest, set up as docs/getting-started.md says, for scripts/test-consumers.mjs.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { project, run } from './consumer-project.mjs';
import { root } from './root.mjs';

const body = `
test('a message arrives', async () => {
  const server = await listen({ host: '127.0.0.1', port: 0 });
  const client = await connect(server.address, { serverKey: server.fingerprint });
  await client.send(new TextEncoder().encode('hello'));
  const peer = await server.accept();
  const message = await peer.recv();
  expect(new TextDecoder().decode(message)).toBe('hello');
  await client.close();
  await server.close();
}, 60_000);
`;
const imported = `import { connect, listen } from 'secure-sockets';\n${body}`;
const required = `const { connect, listen } = require('secure-sockets');\n${body}`;
const importedLater = required
  .replace(/^.*\n/, '')
  .replace('async () => {', "async () => {\n  const { connect, listen } = await import('secure-sockets');");

const vmModules = { NODE_OPTIONS: '--experimental-vm-modules' };

/** One project for all of them. */
export function jestProject(tarball) {
  const packages = ['jest@30.5.2', '@babel/plugin-transform-modules-commonjs@7'];
  return project(tarball, 'jest', {}, ...packages);
}

/** The result of jest for each way to use the package. */
export async function* jestProblems(path, { version, file }) {
  const check = (name, test, config, env) =>
    problemOf(path, file, `${version}-${name}`, { test, config, env });
  yield { name: 'import', problem: await check('import.test.mjs', imported, {}, vmModules) };
  yield { name: 'await import()', problem: await check('later.test.js', importedLater, {}, vmModules) };
  if (takesRequire(version))
    yield { name: 'require()', problem: await check('require.test.js', required, {}, vmModules) };
  const problem = await check('transformed.test.js', required, readConfig(), {});
  yield { name: 'require() and a transform', problem };
}

/** Whether jest has `require()` of ES modules on this Node. */
function takesRequire(version) {
  const [major, minor] = version.slice(1).split('.').map(Number);
  return major > 24 || (major === 24 && minor >= 9);
}

/** The settings that the document shows. */
function readConfig() {
  const text = readFileSync(join(root, 'docs/getting-started.md'), 'utf8');
  const [, block] = /<!-- jest -->\n```json\n(.*?)```/s.exec(text) ?? [];
  if (block === undefined) throw new Error('docs/getting-started.md shows no settings for jest any more');
  return JSON.parse(block);
}

async function problemOf(path, node, name, { test, config, env }) {
  const folder = join(path, name.replace(/\.test\.m?js$/, ''));
  mkdirSync(folder);
  writeFileSync(join(folder, name), test);
  const rootDir = folder;
  const settings = { ...config, rootDir, testMatch: ['**/*.test.*'], testEnvironment: 'node' };
  writeFileSync(join(folder, 'jest.config.json'), JSON.stringify(settings));
  const jest = join(path, 'node_modules/jest/bin/jest.js');
  const given = [jest, '--config', join(folder, 'jest.config.json'), '--ci'];
  return run(node, given, { cwd: path, env: { ...process.env, ...env } }).then(
    () => undefined,
    ({ stdout, stderr }) => `${stdout}${stderr}`,
  );
}
