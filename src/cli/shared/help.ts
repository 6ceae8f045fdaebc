/** The part of the manual on flags of every command with a peer. */
export const endpointHelp = `Options of both ends:
  --identity FILE         the private key of this end, made by keygen
  --passphrase-file FILE  its passphrase is the first line of FILE, instead of
                          being asked for at the terminal
  --protocol NAME         sealed (default) or classic, the same on both ends.
                          classic speaks to the old Python library and protects
                          little: no authentication, no integrity
  --key-length N          classic: session keys of 16, 24 or 32 (default) bytes
  --backend NAME          the cryptographic library: node (default), sodium,
                          web, forge or noble
  --timeout SECONDS       for connecting and the handshake together, default 10
  --log-level LEVEL       report on standard error from this severity on: error,
                          warning, info (default) or debug
  --log-format FORMAT     report as text (default), or as json: one object per
                          line, with time and level
  -v, --verbose           as --log-level debug
  --json                  as --log-format json, and results in JSON as well
  -h, --help              this text
`;

/** The part of the manual on flags of a command that connects. */
export const clientHelp = `Options:
  --server-key SHA256:... the fingerprint of the server's key. May be repeated:
                          any of them is accepted
  --known-hosts FILE      look the server up in FILE, default
                          ~/.config/secure-sockets/known_hosts
  --min-modulus-bits N    classic: accept servers with keys from N bits on,
                          default 2048
`;

/** The part of the manual on flags of a command that listens. */
export const serverHelp = `Options:
  --authorized-keys FILE  let in the clients in FILE only: a public key line or
                          a fingerprint, and a name, on each line
      --websocket         accept WebSockets instead of TCP connections; needs
                          the package ws: npm install ws
`;

/** The part of the manual on input. */
export const inputHelp = `  --message-size BYTES    cut the input into messages of at most BYTES,
                          1 to 65536; default 65536, in classic 8192
  --messages              input and output are messages, each after its length:
                          4 bytes, big-endian
  --wait SECONDS          after the end of the input end this side when the peer
                          has been silent for SECONDS, default 1; 0 for a peer
                          that does not answer
`;

/** The part of the manual on flags of a command that listens at a path. */
export const listenHelp = `  --unlink                first remove the Unix domain socket that a killed
                          program has left at that path; only if no one listens
                          there
`;

/** The part of the manual on metrics. */
export const metricsHelp = `  --metrics ADDRESS       offer metrics to Prometheus at http://ADDRESS/metrics,
                          and a health check at /healthz; on this machine only,
  --metrics-public        unless this is given: requests are not authenticated
`;

/** A part of a manual with another heading, or with none. */
export function withHeading(part: string, heading = ''): string {
  return part.replace(/^Options.*\n/, heading === '' ? '' : `${heading}\n`);
}

/** A part of a manual without some of its options. */
export function without(part: string, ...options: string[]): string {
  const entries = part.split(/\n(?= {2}-)/);
  return entries.filter((entry) => !options.some((option) => entry.includes(`  ${option} `))).join('\n');
}
