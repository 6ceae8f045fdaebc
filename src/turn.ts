/** What platforms have of this, each in its own way. */
interface Platform {
  readonly process?: { nextTick?(work: () => void): void };
  setImmediate?(work: () => void): unknown;
  readonly MessageChannel?: new () => { readonly port1: Port; readonly port2: Port };
}

interface Port {
  onmessage: (() => void) | null;
  postMessage(message: null): void;
}

const platform = globalThis as unknown as Platform;
// looked up once: Node's `process` and `setImmediate` are getters of the global object, and these run for each message
const nextTick = platform.process?.nextTick;
const nextLoop = platform.setImmediate;

/**
 * Runs after the work in hand, promise continuations included, and before any input or output: where a tick's messages
 * leave.
 */
export const afterTick: (work: () => void) => void =
  typeof nextTick === 'function' ? (work) => nextTick(work) : queueTask;

/** Whether that is a task of its own, as in browsers, and not a part of the one in hand. */
export const isTickATask: boolean = typeof nextTick !== 'function';

/** Runs after the event loop has processed all other pending work once. */
export const onNextLoop: (work: () => void) => void =
  typeof nextLoop === 'function' ? (work) => void nextLoop(work) : queueTask;

let port: Port | undefined;
const tasks: (() => void)[] = [];

/** A task of its own, as `setTimeout` makes one too, but after 4 ms in browsers, or a second in pages out of sight. */
function queueTask(work: () => void): void {
  const Channel = platform.MessageChannel;
  // edge runtimes may have none
  if (!Channel) return void setTimeout(work);
  tasks.push(work);
  port ??= openPort(Channel);
  port.postMessage(null);
}

function openPort(Channel: NonNullable<Platform['MessageChannel']>): Port {
  const { port1, port2 } = new Channel();
  port1.onmessage = () => tasks.shift()?.();
  return port2;
}
