const marked = new WeakSet<object>();

/** Told of each object of class `KnownHosts`, so that others can tell them apart without loading the class. */
export function markKnownHosts(hosts: object): void {
  marked.add(hosts);
}

/** Whether a value is an object of class `KnownHosts`. */
export function isKnownHosts(value: unknown): boolean {
  return typeof value === 'object' && value !== null && marked.has(value);
}
