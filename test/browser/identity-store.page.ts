import { sha256 } from '@noble/hashes/sha2.js';
import { PortableIdentity } from '../../src/identity/identity.js';
import { PortableIdentityStore } from '../../src/identity/identity-store.js';
import { generateKey } from '../../src/identity/making.js';
import { fromWebKeyPair } from '../../src/identity/web-key.js';
import { PortableKnownHosts } from '../../src/trust/known-hosts.js';
import type { WebStorage } from '../../src/trust/line-store.js';

// What a page does with an identity and with known hosts. Run in a browser by identity-store.test.ts, which is told the
// result; the page is loaded twice, as by a person who comes back.

class Identity extends PortableIdentity {
  static async make(role: 'client' | 'server'): Promise<Identity> {
    const none = { generateRsaKey: () => Promise.reject(new Error('not extractable')) };
    return new Identity(await generateKey({ role, modulusLength: 2048, extractable: false }, none), {
      sha256,
    });
  }

  static async fromKeyPair(...[pair, options]: Parameters<typeof fromWebKeyPair>): Promise<Identity> {
    return new Identity(await fromWebKeyPair(pair, options), { sha256 });
  }
}

const { localStorage } = globalThis as unknown as { readonly localStorage: WebStorage };
const key = `SHA256:${'A'.repeat(43)}`;

async function run(): Promise<object> {
  const store = new PortableIdentityStore(Identity.fromKeyPair);
  const isFirst = (await store.load('me')) === null;
  const [one, other] = await Promise.all([
    store.obtain('me', () => Identity.make('client')),
    new PortableIdentityStore(Identity.fromKeyPair).obtain('me', () => Identity.make('client')),
  ]);
  const hosts = new PortableKnownHosts({ storage: localStorage, mode: 'tofu' });
  const known = await hosts.check('server.example', 443, key);
  await Promise.all(
    ['server.example', 'SERVER.example.', 'b.example'].map((host) => hosts.add(host, 443, key)),
  );
  return {
    isFirst,
    isSame: one.fingerprint === other.fingerprint,
    fingerprint: one.fingerprint,
    role: one.role,
    extractable: one.keyPair?.privateKey.extractable,
    exported: await tryExport(one.keyPair?.privateKey),
    again: await failure(store.save('me', one)),
    absent: await store.load('missing'),
    known,
    hosts: (await hosts.list()).map(({ host }) => host),
    changed: await failure(hosts.check('server.example', 443, key.replace(':A', ':E'))),
  };
}

async function tryExport(privateKey: unknown): Promise<string> {
  const { subtle } = crypto as unknown as {
    subtle: { exportKey(format: string, key: unknown): Promise<unknown> };
  };
  return subtle.exportKey('pkcs8', privateKey).then(
    () => 'exported',
    (error: Error) => error.name,
  );
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'nothing',
    (error: { code?: string }) => error.code ?? String(error),
  );
}

void run()
  .catch((error: unknown) => ({ failed: String(error) }))
  .then((result) => fetch('/result', { method: 'POST', body: JSON.stringify(result) }));
