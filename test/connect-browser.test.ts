// The functions connect() and reconnecting() of the entry for browsers, which has transports only.

import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  type ClientOptions,
  connect,
  messagePort,
  reconnecting,
  SecureClient,
  SecureServer,
  Sessions,
  type Transport,
} from '../src/browser.js';
import { bytes, pin, text } from './helpers/api-values.js';
import { ManualTransport } from './helpers/manual-transport.js';
import { identityFor, rejection } from './helpers/sockets.js';

const servers: SecureServer[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close({ timeout: 100 });
});

async function startServer(): Promise<{
  server: SecureServer;
  transport: Transport;
  serverKey: string;
}> {
  const identity = await identityFor('sealed');
  const server = new SecureServer({ identity });
  servers.push(server);
  const { port1, port2 } = new MessageChannel();
  void server.attach(messagePort(port1)).catch(() => {});
  return { server, transport: messagePort(port2), serverKey: identity.fingerprint };
}

it('makes a client and connects it over a transport', async () => {
  const { server, transport, serverKey } = await startServer();
  const client = await connect(transport, { serverKey, signal: AbortSignal.timeout(60_000) });
  expect(client).toBeInstanceOf(SecureClient);
  const peer = await server.accept();
  await client.send(bytes('hello'));
  expect(text(await peer.recv())).toBe('hello');
});

it('rejects as the class and its connect() do', async () => {
  const wrong: [unknown, string][] = [
    [null, 'BAD_ARGUMENT'],
    [{ serverkey: pin }, 'BAD_OPTION'],
    [{ serverKey: 'bad' }, 'BAD_OPTION'],
    [{ serverKey: pin, signal: 5 }, 'BAD_ARGUMENT'],
    [{}, 'NO_TRUST'],
  ];
  for (const [options, code] of wrong) {
    const transport = new ManualTransport();
    expect((await rejection(connect(transport, options as never))).code).toBe(code);
    expect(transport.isDestroyed).toBe(true);
  }
  const failing = connect({ port: 9000 } as never, { serverKey: pin });
  expect((await rejection(failing)).code).toBe('BAD_ARGUMENT');
  const reason = new Error('changed my mind');
  const signal = AbortSignal.abort(reason);
  const { transport: other } = await startServer();
  await expect(connect(other, { serverKey: pin, signal })).rejects.toBe(reason);
});

it('leaves a transport alone that carries another connection', async () => {
  const transport = new ManualTransport();
  const waiting = connect(transport, { serverKey: pin, handshakeTimeout: 50 });
  expect((await rejection(connect(transport, { serverKey: 'bad' }))).code).toBe('BAD_OPTION');
  expect(transport.isDestroyed).toBe(false);
  expect((await rejection(waiting)).code).toBe('HANDSHAKE_TIMEOUT');
});

it.each<[string, { protocol?: 'classic'; sessions?: Sessions }, boolean[]]>([
  ['resumes from the second connection on', {}, [false, true, true]],
  ['leaves the sessions that it is given where they are', { sessions: new Sessions() }, [false, true, true]],
  ['resumes nothing in classic', { protocol: 'classic' }, [false, false, false]],
])('reconnecting() %s', async (_, options, expected) => {
  const identity = await identityFor(options.protocol ?? 'sealed');
  const server = new SecureServer({ identity, protocol: options.protocol } as object);
  servers.push(server);
  void (async () => {
    for await (const peer of server) void peer.send(bytes('hello')).then(() => peer.recv());
  })();
  const open = (): Transport => {
    const { port1, port2 } = new MessageChannel();
    void server.attach(messagePort(port1)).catch(() => {});
    return messagePort(port2);
  };
  const trust = options.protocol === 'classic' ? {} : { serverKey: identity.fingerprint };
  const seen: boolean[] = [];
  for await (const client of reconnecting(open, { ...options, ...trust } as ClientOptions, { maxDelay: 1 })) {
    await client.recv();
    seen.push(client.resumed);
    if (seen.length === 3) break;
  }
  expect(seen).toEqual(expected);
  if (options.sessions) expect(options.sessions.size).toBeGreaterThan(0);
});

it('connects at the second attempt where the code of known hosts was not to be had at the first', async () => {
  const { server, transport } = await startServer();
  const client = new SecureClient({ knownHosts: { load: () => '', save: () => {}, mode: 'tofu' } });
  vi.doMock('../src/trust/known-hosts.js', () => Promise.reject(new Error('no network')));
  const failing = client.connect(transport, { host: 'example.org', port: 1 });
  await expect(failing).rejects.toMatchObject({ code: 'TRANSPORT_FAILED', cause: expect.any(Error) });
  vi.doUnmock('../src/trust/known-hosts.js');
  const { port1, port2 } = new MessageChannel();
  void server.attach(messagePort(port1)).catch(() => {});
  await client.connect(messagePort(port2), { host: 'example.org', port: 1 });
  client.destroy();
});

it('reconnecting() goes on after a failure to load code, or of what opens the transport, that is a TypeError', async () => {
  const identity = await identityFor('sealed');
  const errors: unknown[] = [];
  const open = async (): Promise<Transport> => {
    const { transport } = await startServer();
    if (errors.length === 1) throw new TypeError('Failed to fetch');
    return transport;
  };
  vi.resetModules();
  vi.doMock('../src/options/client-tickets.js', () => Promise.reject(new TypeError('Failed to fetch')));
  const browser = await import('../src/browser.js');
  const how = {
    initialDelay: 1,
    onError: (error: unknown) => {
      vi.doUnmock('../src/options/client-tickets.js');
      errors.push((error as { code?: string }).code ?? error);
    },
  };
  for await (const client of browser.reconnecting(open, { serverKey: identity.fingerprint }, how)) {
    expect(client.suite).toBeDefined();
    break;
  }
  expect(errors).toEqual(['TRANSPORT_FAILED', new TypeError('Failed to fetch')]);
});

describe('reconnecting() with a transport that is long in coming', () => {
  it('gives it up after handshakeTimeout, and what comes later is destroyed', async () => {
    const late: ((transport: Transport) => void)[] = [];
    const open = (): Promise<Transport> => new Promise((resolve) => late.push(resolve));
    const errors: unknown[] = [];
    const controller = new AbortController();
    const how = {
      initialDelay: 1,
      signal: controller.signal,
      onError: (error: unknown) => void errors.push((error as { code?: string }).code),
    };
    const next = rejection(reconnecting(open, { serverKey: pin, handshakeTimeout: 20 }, how).next());
    await expect.poll(() => Math.min(late.length, errors.length)).toBeGreaterThan(1);
    expect(new Set(errors)).toEqual(new Set(['HANDSHAKE_TIMEOUT']));
    controller.abort(new Error('enough'));
    expect((await next).message).toBe('enough');
    const transport = new ManualTransport();
    late[0]?.(transport);
    await expect.poll(() => transport.isDestroyed).toBe(true);
  });

  it('ends by its signal', async () => {
    const controller = new AbortController();
    const never = (): Promise<Transport> => new Promise(() => {});
    const next = rejection(reconnecting(never, { serverKey: pin }, { signal: controller.signal }).next());
    controller.abort(new Error('enough'));
    expect((await next).message).toBe('enough');
  });
});
