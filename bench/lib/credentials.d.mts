/** Keys of one length: ours in PEM, and a certificate for TLS with its key. */
export interface Credentials {
  readonly identities: { readonly sealed: string; readonly classic: string };
  readonly tls: { readonly key: string; readonly cert: string };
}

/** Keys by their length in bits: ours, and a certificate for TLS. */
export function makeCredentials(lengths?: readonly number[]): Promise<Record<number, Credentials>>;
