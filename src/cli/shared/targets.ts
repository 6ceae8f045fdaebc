import { type Address, parseAddress } from './address.js';
import { usageError } from './failure.js';

/** Addresses by the name of the target that they stand for. */
export type Targets = ReadonlyMap<string, Address>;

/** The name of the one target of a tunnel that gives none. */
export const DEFAULT_TARGET = 'default';

/**
 * The addresses of a tunnel: either the one that was given as an argument, or those of `--target NAME=ADDRESS`.
 * What a client and a server call by one name belongs together.
 */
function readTargets(
  one: string | undefined,
  named: readonly string[] | undefined,
  use: 'connect' | 'listen',
): Targets {
  if (one !== undefined) return new Map([[DEFAULT_TARGET, parseAddress(one, use)]]);
  const targets = new Map<string, Address>();
  for (const text of named ?? []) {
    const [, name, address] = /^([A-Za-z0-9][A-Za-z0-9._-]{0,62})=(.+)$/.exec(text) ?? [];
    if (name === undefined || address === undefined)
      throw usageError(
        `--target is NAME=ADDRESS, not ${JSON.stringify(text)}`,
        'for example --target redis=127.0.0.1:6379',
      );
    if (targets.has(name)) throw usageError(`--target gives the name ${name} twice`);
    targets.set(name, parseAddress(address, use));
  }
  return targets;
}

/** The addresses of a tunnel: two, or one beside those of `--target`. */
export function readTunnel(
  positionals: readonly string[],
  named: readonly string[] | undefined,
  side: 'client' | 'server',
): { readonly targets: Targets; readonly peer: Address } {
  const expected = named ? 1 : 2;
  const [first, second] = positionals;
  if (positionals.length !== expected || first === undefined)
    throw usageError(
      side === 'client'
        ? 'a tunnel client takes LISTEN and SERVER, or --target NAME=LISTEN and SERVER'
        : 'a tunnel server takes LISTEN and TARGET, or --target NAME=TARGET and LISTEN',
      'secure-sockets tunnel --help',
    );
  return side === 'client'
    ? {
        targets: readTargets(named ? undefined : first, named, 'listen'),
        peer: parseAddress(second ?? first, 'connect'),
      }
    : {
        targets: readTargets(named ? undefined : second, named, 'connect'),
        peer: parseAddress(first, 'listen'),
      };
}
