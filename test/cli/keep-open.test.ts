import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SecureClient } from 'secure-sockets';
import { describe, expect, test } from 'vitest';
import { portOf } from './command.js';
import { begin, usePlace } from './place.js';
import { pour } from './pour.js';

const place = usePlace();

describe('listen -k', () => {
  test('drops a client that does not read, so that the others go on', { timeout: 60_000 }, async () => {
    const server = begin('listen', '-k', '--identity', 'server.pem', '127.0.0.1:0');
    const to = { host: '127.0.0.1', port: await portOf(server) };
    const [laggard, reader] = [new SecureClient(), new SecureClient()].map(
      () => new SecureClient({ serverKey: place.serverKey }),
    ) as [SecureClient, SecureClient];
    for (const client of [laggard, reader]) await client.connect(to);
    let received = 0;
    void (async () => {
      for await (const { length } of reader) received += length;
    })().catch(() => {});
    pour(server.child.stdin);
    await server.until(/secure-sockets: dropped 127\.0\.0\.1:\d+: it is \d+ bytes behind and does not read/);
    const before = received;
    await expect.poll(() => received - before, { timeout: 20_000 }).toBeGreaterThan(16 << 20);
    for (const client of [laggard, reader]) client.destroy();
  });

  test('waits for a client that is slow and alone', { timeout: 60_000 }, async () => {
    const server = begin('listen', '-k', '--identity', 'server.pem', '127.0.0.1:0');
    const client = new SecureClient({ serverKey: place.serverKey });
    await client.connect({ host: '127.0.0.1', port: await portOf(server) });
    server.child.stdin?.end(Buffer.alloc(40 << 20));
    await sleep(8000);
    let received = 0;
    for await (const { length } of client) {
      received += length;
      if (received === 40 << 20) break;
    }
    client.destroy();
  });
});

describe('receive -k', () => {
  test('stopped, lets a file that is under way come to its end', async () => {
    const server = begin('receive', '-k', '-o', '.', '--identity', 'server.pem', '127.0.0.1:0');
    const to = { host: '127.0.0.1', port: await portOf(server) };
    const sender = new SecureClient({ serverKey: place.serverKey, allowHalfOpen: true });
    await sender.connect(to);
    const say = (letter: string, body: Uint8Array | string): Promise<void> =>
      sender.send(Buffer.concat([Buffer.from(letter), Buffer.from(body)]));
    await say('F', JSON.stringify({ name: 'late', size: 5 }));
    expect(String(await sender.recv())).toBe('65');
    const stopped = server.stop('SIGTERM');
    await sleep(500);
    await say('D', 'hello');
    const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode('hello'));
    await say('H', new Uint8Array(hash));
    expect(String(await sender.recv())).toBe('75');
    await sender.end();
    expect(await stopped).toMatchObject({ code: 0 });
    expect(readFileSync(join(place.folder, 'late'), 'utf8')).toBe('hello');
  });
});
