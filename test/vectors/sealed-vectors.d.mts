/** All vectors, for the four test keys in PEM. */
export function computeVectors(keys: Readonly<Record<string, string>>): unknown;
