import { duplexPair } from 'node:stream';
import { fromDuplex, SecureServer, type Transport } from 'secure-sockets';
import { expect, it } from 'vitest';
import { open } from './helpers/kept.js';
import { clientOf, identityFor, protocols, rejection } from './helpers/sockets.js';

it.each(protocols)(
  '%s takes a transport once, at either end, and disturbs nothing by refusing it',
  async (protocol) => {
    const server = new SecureServer({ protocol, identity: await identityFor(protocol), closeTimeout: 300 });
    open.push({ [Symbol.asyncDispose]: () => server.close({ timeout: 100 }) });
    const [near, far] = duplexPair();
    const [here, there] = [fromDuplex(near), fromDuplex(far)];
    await server.attach(there);
    expect(await rejection(server.attach(there))).toMatchObject({ code: 'BAD_ARGUMENT' });
    const client = clientOf(server, { protocol, closeTimeout: 300 });
    await client.connect(here);
    const accepted = await server.accept();
    expect(await rejection(client.connect(fromDuplex(duplexPair()[0])))).toMatchObject({
      code: 'ALREADY_CONNECTED',
    });
    const other = clientOf(server, { protocol, closeTimeout: 300 });
    expect(await rejection(other.connect(here))).toMatchObject({ code: 'BAD_ARGUMENT' });
    expect(await rejection(server.attach(there))).toMatchObject({ code: 'BAD_ARGUMENT' });
    await client.send(Uint8Array.of(1));
    expect(await accepted.recv()).toEqual(Uint8Array.of(1));
    // a transport that was refused with the client that was used already
    const [free, end] = duplexPair().map((stream) => fromDuplex(stream)) as [Transport, Transport];
    expect(await rejection(client.connect(free))).toMatchObject({ code: 'ALREADY_CONNECTED' });
    await server.attach(end);
    await other.connect(free);
    await Promise.all([client.close(), other.close()]);
  },
);
