import { CommandError, exitCodes, usageError } from './failure.js';

/** A socket that listens and that the process was started with. */
export interface InheritedAddress {
  readonly fd: number;
}

/** The descriptor of the first socket, see sd_listen_fds(3). */
const FIRST = 3;

/**
 * The socket that `fd:NAME` or `fd:NUMBER` means, of those that systemd, or another program of its kind, has passed
 * (LISTEN_FDS, LISTEN_FDNAMES). Throws if there is none.
 */
export function inheritedAddress(
  text: string,
  environment: NodeJS.ProcessEnv = process.env,
): InheritedAddress {
  const names = passedNames(environment);
  const wanted = text.slice('fd:'.length);
  const found = [...names.keys()].filter((fd) =>
    isNumber(wanted) ? fd === Number(wanted) : names.get(fd) === wanted,
  );
  const [fd, another] = found;
  if (fd === undefined) throw usageError(`no socket was passed as ${text}: there is ${listOf(names)}`);
  if (another !== undefined)
    throw usageError(
      `several sockets are called ${wanted}`,
      `say which: ${found.map((one) => `fd:${one}`).join(' or ')}`,
    );
  return { fd };
}

/** Why a descriptor is of no use. */
export function unusable({ fd }: InheritedAddress, cause: unknown): CommandError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new CommandError(
    exitCodes.network,
    `descriptor ${fd} is not a stream socket that listens: ${message}`,
    ['in a unit of type socket write ListenStream=, and leave out Accept=yes'],
    cause,
  );
}

/** The names by descriptor. */
function passedNames({
  LISTEN_PID,
  LISTEN_FDS,
  LISTEN_FDNAMES = '',
}: NodeJS.ProcessEnv): ReadonlyMap<number, string> {
  const count = Number(LISTEN_FDS);
  if (!(Number.isInteger(count) && count > 0 && count < 1024))
    throw usageError(
      'no sockets were passed to this process (LISTEN_FDS)',
      'fd: is for socket activation, as by a unit of type socket',
    );
  if (Number(LISTEN_PID) !== process.pid)
    throw usageError(
      `the sockets were passed to process ${LISTEN_PID}, and this is ${process.pid} (LISTEN_PID)`,
      'start the command itself, not by npx, npm or a shell',
    );
  const names = LISTEN_FDNAMES.split(':');
  return new Map(Array.from({ length: count }, (_, index) => [FIRST + index, names[index] ?? '']));
}

function listOf(names: ReadonlyMap<number, string>): string {
  return [...names].map(([fd, name]) => (name === '' ? `fd:${fd}` : `fd:${fd}, called ${name}`)).join('; ');
}

function isNumber(text: string): boolean {
  return /^\d+$/.test(text);
}
