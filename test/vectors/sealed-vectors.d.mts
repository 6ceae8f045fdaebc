/** All vectors, for the test keys in PEM. */
export function computeVectors(keys: Readonly<Record<string, string>>): unknown;
