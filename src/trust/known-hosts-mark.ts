import type { Target, Trust } from './trust.js';

type TrustMaker = (target: Target | undefined) => Trust;

const makers = new WeakMap<object, TrustMaker>();

/**
 * Told of each object of class `KnownHosts`, and how it makes a way of trusting, so that others can tell them apart and
 * trust by them without loading the class.
 */
export function markKnownHosts(hosts: object, makeTrust: TrustMaker): void {
  makers.set(hosts, makeTrust);
}

/** Whether a value is an object of class `KnownHosts`. */
export function isKnownHosts(value: unknown): boolean {
  return makers.has(value as object);
}

/** The way of trusting by the servers of a `KnownHosts`; `undefined` if it is none. */
export function trustByKnownHosts(hosts: object, target: Target | undefined): Trust | undefined {
  return makers.get(hosts)?.(target);
}
