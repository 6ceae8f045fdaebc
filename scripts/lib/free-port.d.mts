/** A port of 127.0.0.1 at which nothing listens, each time another. */
export function freePort(): Promise<number>;
