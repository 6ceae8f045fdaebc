import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requireBuild, root } from './helpers/pack.js';

// The declarations in dist/, as the strictest of programs see them: nothing is skipped, and nothing is assumed to be there.

let folder: string;
beforeAll(async () => {
  await requireBuild();
  folder = mkdtempSync(join(root, 'node_modules/.types-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const use = `
import { connect, listen, SecureClient, SecureServer, type AcceptedClient } from 'secure-sockets';
import { checkTransport } from 'secure-sockets/testing';
import { node } from 'secure-sockets/backends/node';
export async function main(): Promise<void> {
  const server: SecureServer = await listen({ port: 0, backend: node });
  const client: SecureClient = await connect(server.address, { serverKey: server.fingerprint });
  const peer: AcceptedClient<SecureClient> = await server.accept();
  const same: AcceptedClient = peer;
  same.toDuplex();
  for await (const message of client) await client.send(message);
  for await (const message of client.readable) await peer.send(message);
  for await (const message of peer[Symbol.asyncIterator]()) message.byteLength.toFixed();
  const { error, closeCode } = await client.closed;
  if (error) throw new Error(String(closeCode));
  await server[Symbol.asyncDispose]();
  await checkTransport(async () => { throw new Error(); });
}
`;

/** What takes memory of an `ArrayBuffer` alone. */
const useBytes = `
import { Identity, listen, SecureClient, type Bytes } from 'secure-sockets';
export async function main(client: SecureClient): Promise<void> {
  const take = async (bytes: Bytes): Promise<unknown> =>
    [await crypto.subtle.digest('SHA-256', bytes), new Blob([bytes]), new Response(bytes), structuredClone(bytes, { transfer: [bytes.buffer] })];
  const message = await client.recv();
  if (message) await take(message);
  for await (const message of client) await take(message);
  for await (const message of client.readable) await take(message);
  await take(client.exportKey('label', new Uint8Array(0), 32));
  if (client.peer) await crypto.subtle.importKey('spki', client.peer.spki, { name: 'RSA-OAEP', hash: 'SHA-256' }, true, []);
  new SecureClient({ verifyServer: async (spki) => (await crypto.subtle.digest('SHA-256', spki)).byteLength > 0 });
  await listen({ port: 0, verifyClient: (spki: Uint8Array) => spki.length > 0 });
  const { keyPair } = await Identity.generate({ extractable: false });
  if (keyPair) await crypto.subtle.sign({ name: 'RSA-PSS', saltLength: 32 }, keyPair.privateKey, new Uint8Array(1));
  await Identity.fromKeyPair({ publicKey: keyPair!.publicKey, privateKey: keyPair!.privateKey }, { role: 'client' });
  const plain: Uint8Array | null = message;
  const stream: ReadableStream<Uint8Array> = client.readable;
  void [plain, stream];
}
`;

const base: ts.CompilerOptions = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  noEmit: true,
  target: ts.ScriptTarget.ES2022,
};
const lib = (...names: string[]): string[] => names.map((name) => `lib.${name}.d.ts`);
const nodeNext = { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext };
const bundler = { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler };

const programs: [string, ts.CompilerOptions][] = [
  ['without a DOM and without @types/node', { ...nodeNext, lib: lib('es2022'), types: [] }],
  ['of a bundler, without either', { ...bundler, lib: lib('es2022'), types: [] }],
  ['with the DOM of TypeScript', { ...bundler, lib: lib('es2022', 'dom'), types: [] }],
  [
    'with all that TypeScript has',
    { ...nodeNext, lib: lib('esnext', 'dom', 'dom.asynciterable'), types: [] },
  ],
  ['with @types/node', { ...nodeNext, lib: lib('es2022'), types: ['node'] }],
  ['with @types/node and the DOM', { ...nodeNext, lib: lib('esnext', 'dom'), types: ['node'] }],
];

/** What the compiler says of a program, but for what @types/node has against the DOM. */
function problems(text: string, options: ts.CompilerOptions): string[] {
  const file = join(folder, `${Math.random().toString(36).slice(2)}.mts`);
  writeFileSync(file, text);
  const paths = {
    'secure-sockets': [join(root, 'dist/index.d.ts')],
    'secure-sockets/*': [join(root, 'dist/*.d.ts')],
  };
  const program = ts.createProgram([file], { ...base, ...options, paths });
  return ts
    .getPreEmitDiagnostics(program)
    .filter(({ file: where }) => !where?.fileName.includes('/node_modules/@types/'))
    .map(({ file: where, messageText }) => {
      return `${where?.fileName.split('/').at(-1)}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
    });
}

describe('a strict program', () => {
  it.each(programs)(
    '%s compiles',
    (_, options) => {
      expect(existsSync(join(root, 'dist/index.d.ts'))).toBe(true);
      expect(problems(use, options)).toEqual([]);
    },
    60_000,
  );

  it.each([programs[2], programs[3], programs[4], programs[5]] as typeof programs)(
    '%s gives what it receives to the platform',
    (_, options) => expect(problems(useBytes, options)).toEqual([]),
    60_000,
  );

  const strict = programs[4]?.[1] as ts.CompilerOptions;

  it('is told what is wrong', () => {
    const wrong: [code: string, said: RegExp][] = [
      ['(await s.accept()).connect({ port: 1 });', /not callable/],
      ["new SecureClient({ protocol: 'classic', knownHosts: 'a' });", /knownHosts/],
      ['new SecureClient({ keyLength: 16 });', /keyLength/],
      ["new SecureServer({ protocol: 'classic', authorizedKeys: 'x' });", /authorizedKeys/],
      ["new SecureServer({ protocol: 'classic', pingInterval: 5 });", /pingInterval/],
      ['new SecureServer({ pingIntervall: 5 });', /pingIntervall/],
      ["const suite: 'X' | undefined = c.suite;", /not assignable/],
      ['c.toDuplex().nothing();', /nothing/],
      ['c.send("text");', /not assignable/],
      ['c.send(new Uint8Array(1), { signal: new AbortController() });', /AbortSignal/],
    ];
    const lines = wrong.map(([code], index) => `async function f${index}() { ${code} }`);
    const text = `import { SecureClient, SecureServer } from 'secure-sockets';
      declare const s: SecureServer; declare const c: SecureClient;\n${lines.join('\n')}\nexport {};`;
    for (const [index, [code, pattern]] of wrong.entries()) {
      const one = text
        .split('\n')
        .filter((line, at) => at < 2 || line.includes(`f${index}()`) || at > lines.length + 1);
      const found = problems(one.join('\n'), strict).join('\n');
      expect(found, code).toMatch(pattern);
    }
  }, 120_000);

  it('takes undefined for every option, and a protocol that is known only when it runs', () => {
    const text = `
      import { SecureClient, SecureServer, type ProtocolName } from 'secure-sockets';
      import { pipeline } from 'node:stream';
      declare const protocol: ProtocolName; declare const n: number | undefined; declare const c: SecureClient;
      new SecureClient({ protocol, maxMessage: n, closeTimeout: n });
      new SecureServer({ protocol, maxConnections: n, backlog: n, onHandshakeError: undefined });
      new SecureClient({ protocol: 'classic', keyLength: 16, settleMs: n });
      new SecureClient({ serverKey: undefined, knownHosts: { path: 'a', mode: undefined } });
      c.recv({ signal: undefined });
      pipeline(process.stdin, c.toDuplex(), process.stdout, () => {});`;
    expect(problems(text, strict)).toEqual([]);
  }, 60_000);
});
