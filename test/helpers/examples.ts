import type { ChildProcess } from 'node:child_process';
import { dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import ts from 'typescript';
import { freePort } from '../../scripts/lib/free-port.mjs';
import type { Program } from './markdown.js';
import { type Outcome, outcomeOf, type Project, root, spawnNode } from './pack.js';

/** Where programs are written to. */
export type Workshop = Pick<Project, 'write'>;

/**
 * Runs a program of a document in a folder of its own in the project, as a reader would who copied it, and its
 * server beside it. Only what a reader would adapt is adapted: port 9000 becomes a free one, and the placeholder
 * `SHA256:...` the fingerprint that the server printed, which is also the program's first argument.
 *
 * Returns what went wrong, or nothing.
 */
export async function runProgram(
  project: Workshop,
  program: Program,
  server?: Program,
): Promise<string | undefined> {
  const setting = { project, folder: folderOf(program), port: await freePort() };
  if (!server) return complaint(program, await outcomeOf(start(setting, program)));
  const running = startServer(setting, server);
  try {
    await running.until('listens', () => running.messages.find((message) => message === 'listening'));
    const fingerprint = wantsFingerprint(program)
      ? await running.until('prints its fingerprint', () => /SHA256:[\w+/]{43}/.exec(running.output())?.[0])
      : undefined;
    const problem = complaint(program, await outcomeOf(start(setting, program, [], fingerprint)));
    if (problem) return `${problem}\nand its server:\n${running.output()}`;
    await running.until('wrote its lines', () =>
      findMissingLine(server, running.output()) ? undefined : true,
    );
  } finally {
    await running.stop();
  }
  const outcome = await running.stop();
  // Most servers run until they are stopped, and here we stop them.
  return complaint(server, outcome.signal === 'SIGTERM' ? { ...outcome, code: 0 } : outcome);
}

/** Type-checks the TypeScript programs as a strict consumer does. Returns the compiler's messages. */
export function typeProblems(project: Workshop, programs: readonly Program[]): string[] {
  const files = programs
    .filter(({ language }) => language === 'ts')
    .map((program) => project.write(`${folderOf(program)}/check.mts`, program.source));
  return compile(files, {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
  });
}

/** Type-checks files against what is installed beside them, declarations of libraries included. */
export function compile(files: readonly string[], options: ts.CompilerOptions): string[] {
  const program = ts.createProgram(files, {
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
    types: ['node'],
    typeRoots: [`${root}node_modules/@types`],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
    ...options,
  });
  return ts.getPreEmitDiagnostics(program).map(describe);
}

function describe({ file, start, messageText }: ts.Diagnostic): string {
  const text = ts.flattenDiagnosticMessageText(messageText, '\n');
  if (!file || start === undefined) return text;
  return `${file.fileName}:${file.getLineAndCharacterOfPosition(start).line + 1} ${text}`;
}

interface Setting {
  readonly project: Workshop;
  readonly folder: string;
  readonly port: number;
}

function start(
  setting: Setting,
  program: Program,
  flags: readonly string[] = [],
  fingerprint?: string,
): ChildProcess {
  const adapted = program.source
    .replace(/\b9000\b/g, String(setting.port))
    .replace(placeholder, () => fingerprint ?? placeholderMissing(program));
  const file = setting.project.write(
    `${setting.folder}/${fileName(program)}`,
    toJavaScript(program, adapted),
  );
  return spawnNode(dirname(file), [...flags, file, ...(fingerprint === undefined ? [] : [fingerprint])]);
}

const placeholder = /SHA256:(\.\.\.|…)/g;

function placeholderMissing({ name }: Program): never {
  throw new Error(
    `${name} pins a server, so its comment has to say which: <!-- example: ${name} with SERVER -->`,
  );
}

function wantsFingerprint({ source }: Program): boolean {
  return source.search(placeholder) >= 0 || source.includes('process.argv');
}

function toJavaScript({ language }: Program, source: string): string {
  if (language !== 'ts') return source;
  const compilerOptions = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    verbatimModuleSyntax: true,
  };
  return ts.transpileModule(source, { compilerOptions }).outputText;
}

function fileName({ name, language }: Program): string {
  if (/\.[cm]?js$/.test(name)) return name;
  return `${slug(name)}.${language === 'cjs' ? 'cjs' : 'mjs'}`;
}

function folderOf({ name, line }: Program): string {
  return `programs/${slug(name)}-${line}`;
}

function slug(name: string): string {
  return name.replace(/[^\w.-]+/g, '-');
}

// A program is fine if it ends by itself, with exit code 0, and wrote the lines that it announces.
function complaint(program: Program, { code, signal, stdout, stderr }: Outcome): string | undefined {
  const problem =
    code === 0
      ? findMissingLine(program, stdout)
      : `${program.name} ended with ${signal ?? `exit code ${code}`}`;
  return problem && `${problem} and wrote:\n${stdout}${stderr}`;
}

// `// => text` announces a line of output.
function findMissingLine({ name, source }: Program, stdout: string): string | undefined {
  const lines = stdout.split(/\r?\n/);
  let at = 0;
  for (const [, expected = ''] of source.matchAll(/\/\/ => (.*?)\s*$/gm)) {
    const found = lines.indexOf(expected, at);
    if (found < 0) return `${name} did not write the line "${expected}"`;
    at = found + 1;
  }
  return undefined;
}

interface Server {
  /** What it told this process. */
  readonly messages: readonly unknown[];
  output(): string;
  /** Waits until `read` gives something. Rejects if the server ends before that, or takes too long. */
  until<T>(what: string, read: () => T | undefined): Promise<T>;
  /** Ends it if it has not ended. */
  stop(): Promise<Outcome>;
}

// Tells the parent when a server of the program listens.
const announce = `import { Server } from 'node:net';
const { emit } = Server.prototype;
Server.prototype.emit = function (event, ...rest) {
  if (event === 'listening') process.send('listening');
  return emit.call(this, event, ...rest);
};`;

function startServer(setting: Setting, program: Program): Server {
  const child = start(setting, program, ['--import', `data:text/javascript,${encodeURIComponent(announce)}`]);
  const messages: unknown[] = [];
  const written: string[] = [];
  child.on('message', (message) => messages.push(message));
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text) => written.push(String(text)));
  const ended = outcomeOf(child, 120_000);
  return {
    messages,
    output: () => written.join(''),
    until: (what, read) =>
      eventually(child, read, (problem) => `the server ${problem} before it ${what}:\n${written.join('')}`),
    stop: () => {
      child.kill();
      return ended;
    },
  };
}

async function eventually<T>(
  child: ChildProcess,
  read: () => T | undefined,
  explain: (problem: string) => string,
): Promise<T> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const value = read();
    if (value !== undefined) return value;
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(explain('ended'));
    if (Date.now() > deadline) throw new Error(explain('needed more than thirty seconds'));
    await setTimeout(20);
  }
}
