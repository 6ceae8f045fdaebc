import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Identity, type ProtocolName, type ServerStats } from 'secure-sockets';

/** A program of `test/load/programs` in a process of its own, on the built package. */
export class Program implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly #lines: Interface;

  private constructor(child: ChildProcess) {
    if (child.stdout === null) throw new Error('no standard output');
    this.child = child;
    this.#lines = createInterface(child.stdout);
  }

  /** Starts it with one argument, as JSON, and waits for its first line. */
  static async start(
    name: 'server' | 'attacker',
    argument: object,
    nodeOptions: readonly string[] = [],
  ): Promise<{ program: Program; line: string }> {
    const path = fileURLToPath(new URL(`programs/${name}.mjs`, import.meta.url));
    const args = ['--no-warnings', ...nodeOptions, path, JSON.stringify(argument)];
    const program = new Program(spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] }));
    return { program, line: await program.line() };
  }

  /** The next line it writes. */
  async line(): Promise<string> {
    const [line] = (await once(this.#lines, 'line')) as [string];
    return line;
  }

  /** Asks it something and gives its answer. */
  async ask(): Promise<string> {
    this.child.stdin?.write('\n');
    return this.line();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'close');
    this.child.kill('SIGKILL');
    await gone;
  }
}

/** Where a server is, and which key it has. */
export interface Address {
  readonly port: number;
  readonly fingerprint: string;
}

/** An echo server in a process of its own. */
export async function startServer(
  protocol: ProtocolName,
  options: Record<string, unknown> = {},
): Promise<{ program: Program; address: Address }> {
  const role = protocol === 'classic' ? 'classic-server' : 'server';
  const pem = (await Identity.generate({ role, modulusLength: 2048 })).toPem();
  const argument = { protocol, pem, ...options };
  const { program, line } = await Program.start('server', argument, ['--expose-gc']);
  return { program, address: JSON.parse(line) as Address };
}

/** A server's counters, and what its process holds. */
export interface Counters extends ServerStats {
  /** By what was computed, how often. */
  readonly operations: Readonly<Record<string, number>>;
  /** What 99 of 100 timers waited since the last question, in milliseconds. */
  readonly loopDelay: number;
  /** What the process holds of the machine's memory. */
  readonly rss: number;
  /** What is reachable: objects, and the memory of buffers. */
  readonly live: number;
  /** The memory of buffers alone. */
  readonly arrayBuffers: number;
}

/** A server's counters now, after its garbage has been collected. */
export async function ask(program: Program): Promise<Counters> {
  return JSON.parse(await program.ask()) as Counters;
}
