import { quote } from '../../errors.js';
import {
  type Address,
  type ListenAddress,
  type PeerAddress,
  parseAddress,
  parsePeerAddress,
} from './address.js';
import { refuseMore } from './arguments.js';
import { usageError } from './failure.js';
import { Listeners } from './listeners.js';

/** Addresses by target name. */
export type Targets = ReadonlyMap<string, Address>;

/** The same, of addresses to listen at. */
export type Listens = ReadonlyMap<string, ListenAddress>;

/** The name of the only target of a tunnel without named targets. */
export const DEFAULT_TARGET = 'default';

/** Where a tunnel client listens, by the name of the target, and the server that it connects to. */
export function readTunnelClient(
  positionals: readonly string[],
  named: readonly string[] | undefined,
): { readonly listens: Listens; readonly server: PeerAddress } {
  const [first, second] = twoOrOne(
    positionals,
    named,
    'a tunnel client takes LISTEN and SERVER, or --target NAME=LISTEN and SERVER',
  );
  const listeners = new Listeners();
  const listens = readTargets(named ? undefined : first, named, (text, target) => {
    const address = parseAddress(text, 'listen');
    listeners.add(address, `--target ${target}`);
    return address;
  });
  return { listens, server: parsePeerAddress(second ?? first) };
}

/** Where a tunnel server listens, and its targets by name. */
export function readTunnelServer(
  positionals: readonly string[],
  named: readonly string[] | undefined,
): { readonly targets: Targets; readonly listen: ListenAddress } {
  const [first, second] = twoOrOne(
    positionals,
    named,
    'a tunnel server takes LISTEN and TARGET, or --target NAME=TARGET and LISTEN',
  );
  const targets = readTargets(named ? undefined : second, named, (text) => parseAddress(text, 'connect'));
  return { targets, listen: parseAddress(first, 'listen') };
}

function twoOrOne(
  positionals: readonly string[],
  named: readonly string[] | undefined,
  usage: string,
): [string, string | undefined] {
  const [first, second] = positionals;
  const wanted = named ? 1 : 2;
  refuseMore(usage, positionals.slice(wanted), 'secure-sockets tunnel --help');
  if (positionals.length < wanted || first === undefined)
    throw usageError(usage, 'secure-sockets tunnel --help');
  return [first, second];
}

/**
 * The addresses of a tunnel: either the one that was given as an argument, or those of `--target NAME=ADDRESS`.
 * Client and server connect targets of the same name.
 */
function readTargets<A>(
  one: string | undefined,
  named: readonly string[] | undefined,
  read: (text: string, target: string) => A,
): ReadonlyMap<string, A> {
  if (one !== undefined) return new Map([[DEFAULT_TARGET, read(one, DEFAULT_TARGET)]]);
  const targets = new Map<string, A>();
  for (const text of named ?? []) {
    const [, name, address] = /^([A-Za-z0-9][A-Za-z0-9._-]{0,62})=(.+)$/.exec(text) ?? [];
    if (name === undefined || address === undefined)
      throw usageError(
        `--target is NAME=ADDRESS, not ${quote(text)}`,
        'for example --target redis=127.0.0.1:6379',
      );
    if (targets.has(name)) throw usageError(`--target gives the name ${name} twice`);
    targets.set(name, read(address, name));
  }
  return targets;
}
