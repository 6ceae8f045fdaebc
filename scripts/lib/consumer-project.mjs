// Projects of their own with the packed package in them, for scripts/test-consumers.mjs.
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { root } from './root.mjs';

/** Runs a program; what it wrote is in the error if it fails. */
export const run = promisify(execFile);
/** Generous, since the machine may be busy. */
export const LIMIT = 120_000;

/** The tarball, as it would be published. */
export async function pack(folder) {
  await run(process.execPath, [join(root, 'scripts/ensure-install.mjs'), '--check']).catch((cause) => {
    throw new Error(`${cause.stderr.trim()} has to be run first`, { cause });
  });
  const json = await npm(root, 'pack', '--ignore-scripts', '--json', '--pack-destination', folder);
  return join(folder, JSON.parse(json)[0].filename);
}

/** An otherwise empty project with the package in it. */
export async function project(tarball, name, manifest, ...others) {
  const path = join(dirname(tarball), name);
  mkdirSync(path);
  writeFileSync(join(path, 'package.json'), JSON.stringify({ name, private: true, ...manifest }));
  await npm(path, 'install', '--prefer-offline', '--ignore-scripts', tarball, ...others);
  return path;
}

async function npm(cwd, ...args) {
  const { stdout } = await run('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], { cwd });
  return stdout;
}

/** Waits for output that matches, and gives the match. Rejects if the program ends or takes too long before that. */
export function waitForOutput(child, pattern) {
  const written = [];
  return new Promise((resolve, reject) => {
    const fail = (why) => {
      clearTimeout(timer);
      reject(new Error(`the program ${why}:\n${written.join('')}`));
    };
    const timer = setTimeout(() => fail(`wrote nothing like ${pattern} in time`), LIMIT);
    child.once('error', (error) => fail(`does not start (${error.message})`));
    child.once('close', (code) => fail(`ended with ${code}`));
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        written.push(text);
        const found = pattern.exec(written.join(''));
        if (found === null) return;
        clearTimeout(timer);
        resolve(found);
      });
    }
  });
}
