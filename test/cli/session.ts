import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/*
 * A terminal session as a text:
 *
 *   # a remark
 *   $ a command, run by sh without a terminal and with nothing to read
 *   > more lines of it
 *   what it prints, on standard output and standard error
 *   [exit 3]                      when it is not 0
 *   $ a command that stays &      the lines below are waited for; it is %1, the next one %2
 *   $ kill -TERM %1               its end is waited for by
 *   $ wait %1                     and what else it printed follows
 *   % a command on a terminal
 *   What it asks «and what is typed» or, where typing must not show, «*a secret»; ⌫ erases
 *
 * In output, `...` stands for any lines, `<port>` for anything that looks like one, and `<p:port>` for one that `<p>`
 * stands for from there on.
 */

/** Where commands run: a folder of their own, which is their home as well. */
export interface Place {
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  remove(): void;
}

/** Makes a folder in which `secure-sockets` is the given script. */
export function makePlace(script: string): Place {
  const folder = mkdtempSync(join(tmpdir(), 'secure-sockets-cli-'));
  const bin = join(folder, '.bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'secure-sockets'), `#!/bin/sh\nexec '${process.execPath}' '${script}' "$@"\n`);
  chmodSync(join(bin, 'secure-sockets'), 0o755);
  const { NODE_OPTIONS: _, XDG_CONFIG_HOME: __, PATH = '', ...rest } = process.env;
  const env = { ...rest, HOME: folder, PATH: `${bin}${delimiter}${PATH}`, LC_ALL: 'C.UTF-8', TERM: 'xterm' };
  return { folder, env, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Plays a session and throws where it goes another way than the text. */
export async function play(name: string, text: string, place: Place): Promise<void> {
  const session = new Session(place);
  try {
    for (const step of parse(text)) {
      try {
        await session.perform(step);
      } catch (error) {
        throw new Error(`${name}:${step.line} ${(error as Error).message}`, { cause: error });
      }
    }
    session.checkNothingStays();
  } finally {
    session.killAll();
  }
}

/** A command and what is to come of it. */
interface Step {
  readonly line: number;
  readonly isOnTerminal: boolean;
  command: string;
  readonly output: string[];
  exitCode: number | undefined;
}

function parse(text: string): Step[] {
  const steps: Step[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const step = steps.at(-1);
    if (/^[$%] /.test(line)) {
      const isOnTerminal = line.startsWith('%');
      steps.push({ line: index + 1, isOnTerminal, command: line.slice(2), output: [], exitCode: undefined });
    } else if (line === '' || line.startsWith('# ')) continue;
    else if (step === undefined) throw new Error(`line ${index + 1}: there is no command yet`);
    else if (line.startsWith('> ')) step.command += `\n${line.slice(2)}`;
    else if (/^\[exit \d+\]$/.test(line)) step.exitCode = Number(line.slice(6, -1));
    else step.output.push(line);
  }
  return steps;
}

class Session {
  readonly #place: Place;
  readonly #jobs: Job[] = [];
  readonly #stays = new Set<Job>();
  readonly #names = new Map<string, string>();

  constructor(place: Place) {
    this.#place = place;
  }

  async perform(step: Step): Promise<void> {
    const command = this.#fillIn(step.command);
    const waited = /^wait %(\d+)$/.exec(command);
    const killed = /^kill -(\w+) %(\d+)$/.exec(command);
    if (waited) await this.#finish(this.#job(waited[1]), step);
    else if (killed) this.#job(killed[2]).kill(`SIG${killed[1]}` as NodeJS.Signals);
    else if (command.endsWith(' &')) await this.#begin(command.slice(0, -2), step);
    else await this.#finish(new Job(command, step.isOnTerminal, this.#place), step);
  }

  checkNothingStays(): void {
    if (this.#stays.size === 0) return;
    throw new Error(`nothing waits for ${[...this.#stays].map(({ command }) => command).join(' and ')}`);
  }

  killAll(): void {
    for (const job of this.#stays) job.kill('SIGKILL');
  }

  async #begin(command: string, step: Step): Promise<void> {
    const job = new Job(command, step.isOnTerminal, this.#place);
    this.#jobs.push(job);
    this.#stays.add(job);
    await this.#expect(job, step.output);
  }

  async #finish(job: Job, step: Step): Promise<void> {
    this.#stays.add(job);
    await this.#expect(job, step.output);
    await job.waitForEnd();
    this.#stays.delete(job);
    const expected = step.exitCode ?? 0;
    const rest = step.output.at(-1) === '...' ? '' : job.unread();
    if (rest !== '') throw new Error(`more was printed than expected:\n${rest}`);
    if (job.exitCode !== expected)
      throw new Error(`exit code ${job.exitCode}, not ${expected}, after\n${job.all()}`);
  }

  async #expect(job: Job, lines: readonly string[]): Promise<void> {
    let maySkip = false;
    for (const line of lines) {
      if (line === '...') {
        maySkip = true;
        continue;
      }
      const typed = /^(.*?)«(\*?)(.*?)»(.*)$/.exec(line);
      if (typed) await this.#dialogue(job, typed as unknown as Typed);
      else await job.line(this.#pattern(line), line, maySkip, (name, value) => this.#names.set(name, value));
      maySkip = false;
    }
  }

  async #dialogue(job: Job, [, prompt, secret, answer]: Typed): Promise<void> {
    await job.text(prompt);
    job.type(`${answer.replaceAll('⌫', '\u007f')}\n`);
    const shown = secret === '' ? answer : '';
    await job.line(new RegExp(`^${escapePattern(shown)}$`), shown, false, () => {});
  }

  #job(number: string | undefined): Job {
    const job = this.#jobs[Number(number) - 1];
    if (job) return job;
    throw new Error(`there is no %${number}`);
  }

  #fillIn(text: string): string {
    return text.replace(/<(\w+)>/g, (whole, name) => this.#names.get(name) ?? whole);
  }

  #pattern(line: string): RegExp {
    const parts = line.split(/(<\w+(?::\w+)?>)/).map((part) => {
      const [, name, kind] = /^<(\w+)(?::(\w+))?>$/.exec(part) ?? [];
      if (name === undefined) return escapePattern(part);
      const known = this.#names.get(name);
      if (kind === undefined && known !== undefined) return escapePattern(known);
      const looks = kinds[kind ?? name];
      if (looks === undefined) throw new Error(`<${kind ?? name}> is unknown`);
      return kind === undefined ? `(?:${looks})` : `(?<${name}>${looks})`;
    });
    return new RegExp(`^${parts.join('')}$`);
  }
}

type Typed = readonly [line: string, prompt: string, secret: string, answer: string, rest: string];

const kinds: Readonly<Record<string, string>> = {
  fingerprint: 'SHA256:[\\w+/]{43}',
  publicKey: 'M[\\w+/]{90,}=*',
  port: '\\d{1,5}',
  sha256: '[0-9a-f]{64}',
  number: '\\d+(?:\\.\\d+)?',
  text: '.*',
};

const TIMEOUT = 15_000;

/** A command that runs or has run, and what it prints. */
class Job {
  readonly command: string;
  exitCode: number | null = null;
  readonly #child: ChildProcess;
  readonly #closed: Promise<void>;
  #isClosed = false;
  #output = '';
  #read = 0;

  constructor(command: string, isOnTerminal: boolean, place: Place) {
    this.command = command;
    // so that a signal reaches the command and not its shell
    const direct = command.startsWith('secure-sockets ') ? `exec ${command}` : command;
    const [file, args]: [string, string[]] = isOnTerminal
      ? ['script', ['--quiet', '--return', '--flush', '--echo', 'always', '--command', direct, '/dev/null']]
      : ['sh', ['-c', `exec 2>&1\n${direct}`]];
    this.#child = spawn(file, args, {
      cwd: place.folder,
      env: place.env,
      // a session of its own: the terminal that the tests run on is not asked
      detached: true,
      stdio: [isOnTerminal ? 'pipe' : 'ignore', 'pipe', 'inherit'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text.replaceAll('\r', '');
    });
    this.#closed = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', (code) => {
        this.exitCode = code;
        this.#isClosed = true;
        resolve();
      });
    });
  }

  all(): string {
    return this.#output;
  }

  unread(): string {
    return this.#output.slice(this.#read);
  }

  kill(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid !== undefined && !this.#isClosed) process.kill(signal === 'SIGKILL' ? -pid : pid, signal);
  }

  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  async waitForEnd(): Promise<void> {
    const isLate = sleep(TIMEOUT, true, { ref: false });
    if (await Promise.race([this.#closed.then(() => false), isLate]))
      throw new Error(`it does not end, after\n${this.#output}`);
  }

  /** Waits for a line and reads it, or those before it too. */
  async line(
    pattern: RegExp,
    expected: string,
    maySkip: boolean,
    found: (name: string, value: string) => void,
  ): Promise<void> {
    for (;;) {
      const line = await this.#nextLine(expected);
      const match = pattern.exec(line);
      for (const [name, value] of Object.entries(match?.groups ?? {})) found(name, value);
      if (match) return;
      if (!maySkip) throw new Error(`it printed\n${line}\ninstead of\n${expected}`);
    }
  }

  /** Waits for the beginning of a line and reads it. */
  async text(prompt: string): Promise<void> {
    await this.#until(() => this.unread().startsWith(prompt), prompt);
    this.#read += prompt.length;
  }

  async #nextLine(expected: string): Promise<string> {
    await this.#until(
      () => this.unread().includes('\n') || (this.#isClosed && this.unread() !== ''),
      expected,
    );
    const [line = ''] = this.unread().split('\n');
    this.#read += line.length + 1;
    return line;
  }

  async #until(isTrue: () => boolean, expected: string): Promise<void> {
    const deadline = Date.now() + TIMEOUT;
    while (!isTrue()) {
      if (this.#isClosed && !isTrue())
        throw new Error(`it ended without printing\n${expected}\nafter\n${this.#output}`);
      if (Date.now() > deadline) throw new Error(`it did not print\n${expected}\nafter\n${this.#output}`);
      await sleep(5);
    }
  }
}

function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
