import type { Backend, RsaPrivateKey } from '../backend.js';
import type { ProtectMemory } from '../core/message-memory.js';
import type { Script } from '../core/script.js';
import { sealedClient } from '../core/sealed/client.js';
import type { ClientResumption } from '../core/sealed/client-resumption.js';
import { fetched } from '../errors.js';
import { privateKeyOf } from '../identity/private-keys.js';
import type { PortableKnownHosts } from '../trust/known-hosts.js';
import type { KnownHostsSource } from '../trust/known-hosts.node.js';
import { isKnownHosts, trustByKnownHosts } from '../trust/known-hosts-mark.js';
import { type Target, type Trust, trustOf } from '../trust/trust.js';
import { kemFor, keylogOf, suitesOf } from './script-options.js';
import type { ClientSettings } from './settings.js';
import { isShipped } from './shipped-backends.js';

/** A client's script for one connection, and what is to happen once the server is proven. */
export interface ClientPlan {
  readonly script: Script;
  readonly confirm?: (fingerprint: string) => Promise<void>;
}

/** What a client's scripts take of the platform; the rest of them is the same everywhere. */
export interface ClientScriptPlatform {
  /** Computes unless another backend is given. */
  readonly backend: Backend;
  /** The backend instead of that one, where it may not be enough. */
  readonly loadBackend?: (settings: ClientSettings) => Promise<Backend>;
  readonly openKnownHosts: (source: KnownHostsSource) => Promise<PortableKnownHosts>;
  readonly protectMemory: ProtectMemory | undefined;
}

/** The script of one connection to a server. Throws NO_TRUST if sealed has nothing to trust by. */
export async function planClient(
  platform: ClientScriptPlatform,
  given: ClientSettings,
  target: Target | undefined,
): Promise<ClientPlan> {
  const backend = await backendFor(platform, given);
  const settings = backend === given.backend ? given : { ...given, backend };
  if (settings.protocol === 'classic') {
    const { classicClientScript } = await fetched(import('./classic-client-script.js'));
    return { script: classicClientScript(settings, platform.protectMemory) };
  }
  return planSealed(platform, settings, await trustFor(platform, given, target), target);
}

/** How the server is trusted. By known hosts it is their own code that says so, which others do not load. */
async function trustFor(
  platform: ClientScriptPlatform,
  settings: ClientSettings,
  target: Target | undefined,
): Promise<Trust> {
  const hosts = await openHosts(platform, settings);
  return (hosts && trustByKnownHosts(hosts, target)) ?? trustOf(settings);
}

/** The backend that computes. One of the application is held to what the interface says, by code that others do not load. */
async function backendFor(
  { backend, loadBackend }: ClientScriptPlatform,
  settings: ClientSettings,
): Promise<Backend> {
  if (settings.backend === backend) return loadBackend ? loadBackend(settings) : backend;
  if (isShipped(settings.backend)) return settings.backend;
  // kept: an import resolves its name anew each time, which costs a connection more than its own code does
  guard ??= (await fetched(import('./guarded-backend.js'))).guardBackend;
  return guard(settings.backend);
}

let guard: ((backend: Backend) => Backend) | undefined;

async function planSealed(
  { protectMemory }: ClientScriptPlatform,
  settings: ClientSettings,
  trust: Trust,
  target: Target | undefined,
): Promise<ClientPlan> {
  const { backend, maxMessage, maxRecord } = settings;
  const suites = suitesOf(settings);
  const mlKem768 = await kemFor(backend, suites);
  const identity = clientIdentity(settings);
  const decide = (spki: Uint8Array, fingerprint: string): unknown => trust.decide(spki, fingerprint);
  const script = sealedClient({
    isPatient: true,
    backend,
    keylog: keylogOf(settings),
    padding: settings.padding,
    suites,
    mlKem768,
    identity,
    maxMessage,
    maxRecord,
    decide,
    protectMemory,
    resumption: await resumptionFor(settings, trust, target),
  });
  const { confirm } = trust;
  return confirm ? { script, confirm } : { script };
}

/** For a client that keeps sessions, by code that others do not load. */
async function resumptionFor(
  { sessions, identity }: ClientSettings,
  trust: Trust,
  target: Target | undefined,
): Promise<ClientResumption | undefined> {
  if (sessions === undefined) return undefined;
  resumption ??= (await fetched(import('./client-tickets.js'))).resumptionOf;
  return resumption(sessions, identity?.fingerprint, trust, target);
}

let resumption: typeof import('./client-tickets.js').resumptionOf | undefined;

function clientIdentity({
  identity,
  backend,
}: ClientSettings): { spki: Uint8Array; key: RsaPrivateKey } | undefined {
  if (identity === undefined) return undefined;
  return { spki: identity.spki, key: privateKeyOf(identity, backend) };
}

/** One object for a client, since a FIFO can be read only once. */
const hostsOf = new WeakMap<ClientSettings, PortableKnownHosts>();

async function openHosts(
  { openKnownHosts }: ClientScriptPlatform,
  settings: ClientSettings,
): Promise<PortableKnownHosts | undefined> {
  const { knownHosts } = settings;
  if (knownHosts === undefined) return undefined;
  if (isKnownHosts(knownHosts)) return knownHosts as PortableKnownHosts;
  if (!hostsOf.has(settings)) {
    const opened = await openKnownHosts(knownHosts as KnownHostsSource);
    // another attempt of this client may have been quicker
    if (!hostsOf.has(settings)) hostsOf.set(settings, opened);
  }
  return hostsOf.get(settings);
}
