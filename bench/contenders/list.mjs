const sodium = { suites: ['X25519-CHACHA20'], backend: 'sodium' };

/**
 * The contenders. A module here exports `serve(credentials, options, handle)`, which resolves to the address to
 * connect to, and `connect(address, options)`, which resolves to a connection: `send(message)` returns a promise,
 * iteration gives messages, `close()` ends in order. One that works by callback has `write` and `onmessage` instead.
 * A `reading` of `'batches'` has the server read that way. `modulusLength` is that of the RSA keys, 2048 by default.
 */
export const contenders = {
  net: { module: 'net.mjs', title: 'node:net, tuned framing' },
  tls: { module: 'tls.mjs', title: 'node:tls 1.3, tuned framing' },
  'net-callback': { module: 'net.mjs', title: 'node:net, callbacks', options: { callbacks: true } },
  'tls-callback': { module: 'tls.mjs', title: 'node:tls 1.3, callbacks', options: { callbacks: true } },
  'tls-resumed': {
    module: 'tls.mjs',
    title: 'node:tls 1.3, resumed',
    options: { callbacks: true, resume: true },
  },
  'tls-3072': {
    module: 'tls.mjs',
    title: 'node:tls 1.3, RSA-3072',
    options: { callbacks: true },
    modulusLength: 3072,
  },
  'tls-plain': { module: 'tls-plain.mjs', title: 'node:tls 1.3 as people write it' },
  ws: { module: '../third-party/ws.mjs', title: 'ws over TLS', packages: ['ws'] },
  'ws-callback': {
    module: '../third-party/ws.mjs',
    title: 'ws over TLS, callbacks',
    packages: ['ws'],
    options: { callbacks: true },
  },
  'secret-stream': {
    module: '../third-party/secret-stream.mjs',
    title: '@hyperswarm/secret-stream',
    packages: ['@hyperswarm/secret-stream', 'sodium-native'],
  },
  'secret-stream-callback': {
    module: '../third-party/secret-stream.mjs',
    title: '@hyperswarm/secret-stream, callbacks',
    packages: ['@hyperswarm/secret-stream', 'sodium-native'],
    options: { callbacks: true },
  },
  'libp2p-noise': {
    module: '../third-party/libp2p-noise.mjs',
    title: '@chainsafe/libp2p-noise over @libp2p/tcp',
    packages: ['@chainsafe/libp2p-noise', '@libp2p/tcp'],
  },
  ssh2: { module: '../third-party/ssh2.mjs', title: 'ssh2, a forwarded channel', packages: ['ssh2'] },
  sealed: ours('sealed, X25519', { protocol: 'sealed', suites: ['X25519'] }),
  'sealed-3072': {
    ...ours('sealed, X25519, RSA-3072', { protocol: 'sealed', suites: ['X25519'] }),
    modulusLength: 3072,
  },
  'sealed-chacha20': ours('sealed, X25519-CHACHA20', { protocol: 'sealed', suites: ['X25519-CHACHA20'] }),
  'sealed-sodium': ours('sealed, sodium', {
    protocol: 'sealed',
    backend: 'sodium',
    suites: ['X25519-CHACHA20'],
  }),
  'sealed-sodium-batches': {
    ...ours('sealed, sodium, read by batches', { protocol: 'sealed', ...sodium }),
    reading: 'batches',
  },
  'sealed-sodium-resumed': ours('sealed, sodium, resumed', { protocol: 'sealed', ...sodium, resume: true }),
  'sealed-batches': {
    ...ours('sealed, X25519, read by batches', { protocol: 'sealed', suites: ['X25519'] }),
    reading: 'batches',
  },
  'sealed-resumed': ours('sealed, X25519, resumed', { protocol: 'sealed', suites: ['X25519'], resume: true }),
  'sealed-hybrid': ours('sealed, X25519MLKEM768', { protocol: 'sealed', suites: ['X25519MLKEM768'] }),
  'sealed-default': ours('sealed, default suites', { protocol: 'sealed' }),
  classic: ours('classic', { protocol: 'classic' }),
  'sealed-noble': ours('sealed, noble', { protocol: 'sealed', backend: 'noble' }),
  'sealed-noble-aes': ours('sealed, noble, AES', {
    protocol: 'sealed',
    suites: ['X25519'],
    backend: 'noble',
  }),
  'sealed-web': ours('sealed, web', { protocol: 'sealed', backend: 'web' }),
  'sealed-forge': ours('sealed, forge', { protocol: 'sealed', backend: 'forge' }),
  'classic-sodium': ours('classic, sodium', { protocol: 'classic', backend: 'sodium' }),
  'classic-web': ours('classic, web', { protocol: 'classic', backend: 'web' }),
  'classic-noble': ours('classic, noble', { protocol: 'classic', backend: 'noble' }),
  'classic-forge': ours('classic, forge', { protocol: 'classic', backend: 'forge' }),
};

/** Contenders that need only Node and this package. */
export const builtIn = Object.keys(contenders).filter((name) => contenders[name].packages === undefined);

function ours(title, options) {
  return { module: 'secure-sockets.mjs', title: `secure-sockets ${title}`, options };
}
