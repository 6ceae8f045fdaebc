/** What `util.inspect` and `console.log` of Node hand to a method that describes an object. */
type Inspect = (value: unknown, options: unknown) => string;

/**
 * Has Node show objects of a class by what `describe` says of them, which must be nothing secret. Elsewhere nothing asks
 * for it.
 */
export function describeBy<Instance extends object>(
  prototype: Instance,
  describe: (instance: Instance) => Record<string, unknown>,
): void {
  Object.defineProperty(prototype, Symbol.for('nodejs.util.inspect.custom'), {
    configurable: true,
    value(this: Instance, depth: number, options: unknown, inspect: Inspect): string {
      const name = this.constructor.name;
      if (depth < 0) return `[${name}]`;
      const known = Object.entries(describe(this)).filter(([, value]) => value !== undefined);
      return `${name} ${inspect(Object.fromEntries(known), options)}`;
    },
  });
}
