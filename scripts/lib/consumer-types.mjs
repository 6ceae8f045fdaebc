// The declarations of the packed package as strict TypeScript projects see them, for scripts/test-consumers.mjs: every
// supported compiler, each way to find modules, with and without @types/node, as an ES module and as CommonJS.
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import PQueue from 'p-queue';
import { project, run } from './consumer-project.mjs';

/** From the oldest on which the declarations are promised to work to the newest. */
export const compilers = ['5.4.5', '5.9.3', '6.0.3', '7.0.2'];

const program = `
import { connect, listen, SecureClient, SecureServer, type AcceptedClient, type Bytes } from 'secure-sockets';
import { checkTransport } from 'secure-sockets/testing';
import { node } from 'secure-sockets/backends/node';
export async function main(): Promise<void> {
  const server: SecureServer = await listen({ port: 0, backend: node, maxConnections: undefined });
  const client: SecureClient = await connect(server.address, { serverKey: server.fingerprint });
  const peer: AcceptedClient<SecureClient> = await server.accept();
  for await (const message of client) await client.send(message);
  for await (const message of client.readable) await peer.send(message);
  const message: Bytes | null = await client.recv();
  const plain: Uint8Array | null = message;
  const { error, closeCode } = await client.closed;
  if (error) throw new Error(String(closeCode ?? plain));
  await server[Symbol.asyncDispose]();
  await checkTransport(async () => { throw new Error(); });
  // @ts-expect-error an option of the other protocol
  new SecureClient({ keyLength: 16 });
}
`;

/** What the API promises to the compiler: which options belong together, what may be left out, and what is not there. */
const promises = `
import { AuthorizedKeys, connect, KnownHosts, listen, SecureClient, SecureServer, type AcceptedClient, type ErrorCode, type SuiteName } from 'secure-sockets';
export async function main(server: SecureServer, signal: AbortSignal): Promise<void> {
  await listen(9000);
  await listen({ path: '/run/socket', backlog: 5, protocol: undefined, identity: undefined, authorizedKeys: undefined });
  const client: SecureClient = await connect({ port: 1, host: undefined }, { serverKey: undefined, knownHosts: undefined, padding: undefined, sessions: undefined, signal: undefined });
  const peer: AcceptedClient<SecureClient> = await server.accept({ signal: undefined });
  // @ts-expect-error an accepted client has no connect
  await peer.connect({ port: 1 });
  // @ts-expect-error an option of the other protocol
  new SecureClient({ protocol: 'classic', knownHosts: 'file' });
  // @ts-expect-error an option of the other protocol
  new SecureServer({ protocol: 'classic', authorizedKeys: ['SHA256:'] });
  // @ts-expect-error an option of the other protocol
  new SecureClient({ protocol: 'sealed', settleMs: 5 });
  new SecureServer({ authorizedKeys: 'SHA256:' });
  new SecureServer({ authorizedKeys: { path: 'keys' } });
  await client.send(new Uint8Array(1), { signal });
  await client.recv({ signal: undefined });
  await client.close({ code: undefined, timeout: undefined, signal });
  const { error, closeCode }: { error: unknown; closeCode: number | undefined } = await client.closed;
  const clients: ReadonlySet<SecureClient> = server.clients;
  const messages: AsyncIterableIterator<Uint8Array> = client[Symbol.asyncIterator]();
  for await (const message of messages) message.fill(0);
  for await (const batch of client.batches()) for (const message of batch) message.fill(0);
  client.ref(); client.unref(); server.ref(); server.unref();
  const suite: SuiteName | undefined = client.suite;
  const code: ErrorCode = 'MESSAGE_TOO_BIG';
  // @ts-expect-error one word for one thing
  const other: ErrorCode = 'MESSAGE_TOO_LARGE_FOR_PEER';
  const hosts = new KnownHosts({ path: 'hosts', mode: 'tofu' });
  const keys = new AuthorizedKeys({ path: 'keys' });
  const known: 'known' | 'unknown' = await hosts.check('host', 1, 'SHA256:');
  await hosts.add('host', 1, 'SHA256:'); await hosts.remove('host', 1); await hosts.list();
  await keys.add('SHA256:'); await keys.remove('SHA256:'); await keys.list();
  console.log(error, closeCode, clients.size, suite, code, other, known);
}
`;

/** APIs that take only memory of an ArrayBuffer, since TypeScript 5.9. */
const platform = `
import type { SecureClient } from 'secure-sockets';
export async function main(client: SecureClient): Promise<void> {
  for await (const bytes of client.readable) {
    await crypto.subtle.digest('SHA-256', bytes);
    await new Response(new Blob([bytes, client.exportKey('label', bytes, 32)])).text();
  }
}
`;

/** A page: the declarations that the condition `browser` leads to. */
const page = `
import { Identity, IdentityStore, KnownHosts, SecureClient, SecureServer, messagePort, webSocket, webStreams } from 'secure-sockets';
import { web } from 'secure-sockets/backends/web';
export async function main(): Promise<void> {
  const knownHosts = new KnownHosts({ storage: localStorage });
  const client = new SecureClient({ knownHosts, backend: web, identity: await Identity.generate({ role: 'client' }) });
  await client.connect(webSocket(new WebSocket('wss://example.org', 'secure-sockets.1')), { host: 'example.org', port: 443 });
  const server = new SecureServer({ authorizedKeys: 'SHA256:' });
  server.attach(messagePort(new MessageChannel().port1));
  server.attach(webStreams(new TransformStream<Uint8Array, Uint8Array>()));
  await new IdentityStore().load('name');
  for await (const message of client) await crypto.subtle.digest('SHA-256', message);
}
`;

const CommonJs = '.cts';
const EsModule = '.mts';
const ways = [
  ['node16', { module: 'node16' }, [EsModule, CommonJs]],
  ['nodenext', { module: 'nodenext' }, [EsModule, CommonJs]],
  ['bundler', { module: 'esnext', moduleResolution: 'bundler' }, [EsModule]],
];
const surroundings = [
  ['with nothing', { lib: ['es2022'], types: [] }, [program]],
  ['with the DOM', { lib: ['es2022', 'dom'], types: [] }, [program, platform]],
  ['with @types/node', { lib: ['es2022'], types: ['node'] }, [program, promises, platform]],
  ['in a page', { lib: ['es2022', 'dom'], types: [], customConditions: ['browser'] }, [page, platform]],
];

/** Each compiler's errors for each project; there must be none. */
export async function* typeProblems(tarball) {
  const names = compilers.map((version) => `typescript-${version}@npm:typescript@${version}`);
  const path = await project(tarball, 'strict-types', { type: 'module' }, '@types/node@20', ...names);
  const queue = new PQueue({ concurrency: availableParallelism() });
  const checks = [...setups()].map(({ version, name, options, files }) => ({
    name,
    checking: queue.add(() => problemOf(path, version, name, options, files)),
  }));
  for (const { name, checking } of checks) yield { name, problem: await checking };
}

function* setups() {
  for (const version of compilers)
    for (const [way, resolution, extensions] of ways)
      for (const [surrounding, environment, programs] of surroundings)
        yield {
          version,
          name: `TypeScript ${version}, ${way}, ${surrounding}`,
          options: { ...resolution, ...environment },
          files: programs.flatMap((text) => extensions.map((extension) => ({ text, extension }))),
        };
}

async function problemOf(path, version, name, options, files) {
  const folder = join(path, name.replaceAll(/\W+/g, '-'));
  mkdirSync(folder);
  for (const [index, { text, extension }] of files.entries())
    writeFileSync(join(folder, `program-${index}${extension}`), text);
  const compilerOptions = {
    ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
    ...{ skipLibCheck: false, noEmit: true, target: 'es2022' },
    ...options,
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*'] }));
  const compiler = join(path, `node_modules/typescript-${version}/lib/tsc.js`);
  return run(process.execPath, [compiler, '-p', folder]).then(
    () => undefined,
    ({ stdout, stderr }) => `${stdout}${stderr}`,
  );
}
