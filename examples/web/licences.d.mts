export function licencesIn(inputs: readonly string[]): string;
