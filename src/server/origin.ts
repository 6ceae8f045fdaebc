/** Where a connection comes from. */
export interface Origin {
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
}

/** The same of a transport, and nothing else of it. */
export function originOf({ remoteAddress, remotePort }: Partial<Origin>): Origin {
  return { remoteAddress, remotePort };
}
