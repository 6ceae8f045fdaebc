// What people try first who know net, tls, ws, ssh2, a Noise library or Python's socket: each error says what is wrong with
// it, and what to write instead.

import {
  AuthorizedKeys,
  connect,
  Identity,
  KnownHosts,
  listen,
  reconnecting,
  SecureClient,
  SecureServer,
} from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { pin } from './helpers/api-values.js';
import { rejection } from './helpers/sockets.js';

/** What a program in JavaScript may give, though one in TypeScript may not. */
function any(...given: unknown[]): [never] {
  return given as [never];
}

const server = (options: object) => new SecureServer(...any(options));
const client = (options: object) => new SecureClient(...any(options));
const first = async (options: object) => {
  for await (const one of reconnecting({ port: 1 }, ...any(options))) return one;
  return undefined;
};

const mistakes: Record<string, [call: () => unknown, code: string, text: string][]> = {
  'an address': [
    [() => connect(...any('127.0.0.1', 9000)), 'BAD_ARGUMENT', '{ port, host } or { path }, not "127.0.0.1"'],
    [() => connect(...any(9000, '127.0.0.1')), 'BAD_ARGUMENT', '{ port, host } or { path }, not 9000'],
    [() => connect(...any(['127.0.0.1', 9000])), 'BAD_ARGUMENT', 'not an object of class Array'],
    [() => client({}).connect(...any(['127.0.0.1', 9000])), 'BAD_ARGUMENT', 'not an object of class Array'],
    [() => server({}).bind(...any(['127.0.0.1', 9000])), 'BAD_ARGUMENT', 'not an object of class Array'],
    [
      () => connect(...any({ port: 9000, serverKey: pin })),
      'BAD_ARGUMENT',
      'has no "serverKey": options are an argument of their own',
    ],
    [
      () => server({}).listen(...any({ port: 9000, backlog: 5 })),
      'BAD_ARGUMENT',
      'has no "backlog": options are those of new SecureServer()',
    ],
    [() => connect(...any({ port: '9000' })), 'BAD_ARGUMENT', 'not "9000" (convert it: Number(port))'],
    [() => listen(...any({ port: '9000' })), 'BAD_ARGUMENT', 'not "9000" (convert it: Number(port))'],
    ...['[::1]', 'tcp://localhost', 'localhost:9000', '127.0.0.1:', 'localhost/'].map(
      (host): [() => unknown, string, string] => [
        () => connect({ port: 9000, host }),
        'BAD_ARGUMENT',
        `host is a name or an address alone, without brackets, scheme or port, not "${host}"`,
      ],
    ),
    [() => listen(...any()), 'BAD_ARGUMENT', 'listen() takes a port or an object of options, not undefined'],
    [
      () => listen(...any('9000')),
      'BAD_ARGUMENT',
      'listen() takes a port or an object of options, not a string',
    ],
  ],
  'whom to trust': [
    [
      () => connect({ port: 1 }),
      'NO_TRUST',
      "serverKey (the server's fingerprint), knownHosts and verifyServer are all undefined: give one",
    ],
    [() => connect({ port: 1 }, { serverKey: undefined }), 'NO_TRUST', 'are all undefined: give one'],
    [() => client({ serverKey: pin.slice(7) }), 'BAD_OPTION', 'serverKey is not a fingerprint: "'],
    [
      () => client({ serverKey: [pin, `${pin}\n${pin}`] }),
      'BAD_OPTION',
      'serverKey is not a fingerprint: "SHA256:',
    ],
    [
      () => server({ authorizedKeys: 'keys' }),
      'BAD_OPTION',
      'authorizedKeys[0]: not a fingerprint: "keys"; expected',
    ],
    [() => server({ authorizedKeys: 'keys' }), 'BAD_OPTION', '; a file is given as { path }'],
    [() => new AuthorizedKeys('keys'), 'BAD_OPTION', '; a file is given as { path }'],
    [
      () => new KnownHosts(...any()),
      'BAD_OPTION',
      'a file (its path, file: URL or { path }), { load, save } or { storage }, not in undefined',
    ],
  ],
  'names of other libraries': [
    [() => client({ server_key: pin }), 'BAD_OPTION', 'did you mean serverKey?'],
    ...['fingerprint', 'pin', 'ca', 'publicKey', 'remotePublicKey'].map(
      (name): [() => unknown, string, string] => [
        () => client({ [name]: pin }),
        'BAD_OPTION',
        `no option "${name}": did you mean serverKey?`,
      ],
    ),
    ...['key', 'cert', 'privateKey', 'hostKeys', 'keyPair'].map((name): [() => unknown, string, string] => [
      () => server({ [name]: 'x' }),
      'BAD_OPTION',
      `no option "${name}": did you mean identity?`,
    ]),
    [() => server({ requestCert: true }), 'BAD_OPTION', 'did you mean authorizedKeys?'],
    [() => client({ checkServerIdentity: () => {} }), 'BAD_OPTION', 'did you mean verifyServer?'],
    [() => client({ timeout: 5 }), 'BAD_OPTION', 'did you mean handshakeTimeout or idleTimeout?'],
    [() => first({ maxPayload: 5 }), 'BAD_OPTION', 'did you mean maxMessage?'],
    [() => Identity.generate(...any({ bits: 2048 })), 'BAD_ARGUMENT', 'did you mean modulusLength?'],
    [
      () => client({}).recv(...any({ timeout: 5 })),
      'BAD_ARGUMENT',
      'no option "timeout": did you mean signal: AbortSignal.timeout(milliseconds)?',
    ],
    [
      () => server({}).accept(...any({ timeout: 5 })),
      'BAD_ARGUMENT',
      'did you mean signal: AbortSignal.timeout(milliseconds)?',
    ],
    [() => client({ toString: 5 }), 'BAD_OPTION', 'no option "toString": it knows protocol'],
  ],
  'an identity': [
    [
      () => new (Identity as never as new (path: string) => unknown)('a.pem'),
      'BAD_ARGUMENT',
      'Identity.load()',
    ],
    [() => new (Identity as never as new (path: object) => unknown)({}), 'BAD_ARGUMENT', 'Identity.load()'],
  ],
};

describe.each(Object.entries(mistakes))('%s', (_, rows) => {
  it.each(rows.map(([call, code, text]) => [text, call, code] as const))('%s', async (text, call, code) => {
    const error = await rejection(Promise.resolve().then(call));
    expect(error.code).toBe(code);
    expect(error.message).toContain(text);
  });
});
