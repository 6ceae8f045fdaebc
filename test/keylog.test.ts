import { createDecipheriv, createHmac } from 'node:crypto';
import { connect, createServer } from 'node:net';
import { SecureClient, SecureServer } from 'secure-sockets';
import { expect, it } from 'vitest';
import { identityFor, pair, pause, portOf } from './helpers/sockets.js';

it('a key log decrypts a recording of the connection, and says loudly that it exists', async () => {
  const warnings: string[] = [];
  const onWarning = (warning: Error & { code?: string }): void => void warnings.push(warning.code ?? '');
  process.on('warning', onWarning);
  const lines: string[] = [];
  const server = new SecureServer({
    identity: await identityFor('sealed'),
    keylog: (line) => lines.push(line),
  });
  await server.listen({ port: 0, host: '127.0.0.1' });
  const recorded: Buffer[] = [];
  const recorder = createServer((downstream) => {
    const upstream = connect(portOf(server), '127.0.0.1');
    downstream.on('data', (chunk) => recorded.push(chunk));
    downstream.pipe(upstream).pipe(downstream);
    for (const socket of [downstream, upstream]) socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => recorder.listen(0, '127.0.0.1', resolve));
  const clientLines: string[] = [];
  const client = new SecureClient({
    serverKey: server.fingerprint,
    suites: ['X25519'],
    keylog: (line) => clientLines.push(line),
  });
  await client.connect({ port: (recorder.address() as { port: number }).port, host: '127.0.0.1' });
  await client.send(new TextEncoder().encode('in the clear now'));
  const peer = await server.accept();
  await peer.recv();
  await client.close();
  recorder.close();
  await server.close();
  await pause(5);
  process.off('warning', onWarning);

  expect(warnings.filter((code) => code === 'SECURE_SOCKETS_KEYLOG').length).toBe(1);
  expect([...clientLines].sort()).toEqual([...lines].sort());
  expect(lines.map((line) => line.split(' ')[0]).sort()).toEqual(
    ['C_AHS', 'C_AP', 'C_HS', 'S_AHS', 'S_AP', 'S_HS'].map((name) => `SEALED1_${name}_TRAFFIC`),
  );
  const wire = Buffer.concat(recorded);
  const line = lines.find((candidate) => candidate.startsWith('SEALED1_C_AP')) ?? '';
  const [, random = '', secret = ''] = line.split(' ');
  expect(wire.subarray(8, 40).toString('hex')).toBe(random);
  // behind CLIENT_HELLO and the three records of the third flight comes the message
  let at = 8 + wire.readUInt16BE(6);
  for (let record = 0; record < 3; record++) at += 3 + wire.readUIntBE(at, 3);
  const length = wire.readUIntBE(at, 3);
  const decipher = createDecipheriv('aes-256-gcm', expand(secret, 'key', 32), expand(secret, 'iv', 12), {
    authTagLength: 16,
  });
  decipher.setAAD(wire.subarray(at, at + 3));
  decipher.setAuthTag(wire.subarray(at + 3 + length - 16, at + 3 + length));
  const plaintext = Buffer.concat([
    decipher.update(wire.subarray(at + 3, at + 3 + length - 16)),
    decipher.final(),
  ]);
  expect(plaintext.subarray(5).toString()).toBe('in the clear now');
});

it('a key log of classic names the session key and the connection, the same at both ends', async () => {
  const lines: [string[], string[]] = [[], []];
  for (let i = 0; i < 2; i++) {
    await using ends = await pair('classic', {
      server: { keylog: (line) => lines[0].push(line) },
      client: { keylog: (line) => lines[1].push(line) },
    });
    await ends.client.close();
  }
  expect(lines[0]).toEqual(lines[1]);
  for (const line of lines[0]) expect(line).toMatch(/^CLASSIC_SESSION_KEY [0-9a-f]{64} [0-9a-f]{64}$/);
  expect(new Set(lines[0].flatMap((line) => line.split(' '))).size).toBe(1 + 2 + 2);
});

/** HKDF-Expand-Label for at most one block, by node:crypto alone. */
function expand(secret: string, label: string, length: number): Buffer {
  const full = Buffer.from(`sealed1 ${label}`);
  const info = Buffer.concat([Buffer.from([0, length, full.length]), full, Buffer.from([0, 1])]);
  return createHmac('sha256', Buffer.from(secret, 'hex')).update(info).digest().subarray(0, length);
}
