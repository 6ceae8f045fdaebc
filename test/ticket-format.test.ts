import { createCipheriv, createDecipheriv, createHash, hkdfSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { noble } from '../backends/noble.js';
import { node } from '../backends/node.js';
import { TicketKeys } from '../src/sessions/ticket-keys.js';

// What docs/protocol.md says of a ticket (T5), by node:crypto alone.

const ticketKey = Buffer.alloc(32, 5);
const server = createHash('sha256').update('a key').digest();
const client = Buffer.from('the key of a client');

describe.each([node, noble])('a ticket made on $name', (backend) => {
  it('is what the description of the protocol says, its name authenticated', () => {
    const keys = new TicketKeys({ backend, serverHash: server, lifetime: 3_600_000, shared: [ticketKey] });
    const psk = Buffer.alloc(32, 9);
    const since = Date.now() - 250;
    const ticket = Buffer.from(keys.seal({ psk, since, spki: client })?.ticket as Uint8Array);
    const [name, random] = [ticket.subarray(0, 16), ticket.subarray(16, 48)];
    const content = decrypt(name, random, ticket.subarray(48));
    expect(content.subarray(0, 32)).toEqual(psk);
    expect(1000 * content.readUInt32BE(32) + content.readUInt32BE(36)).toBe(since);
    expect(content.subarray(40, 72)).toEqual(server);
    expect(content.readUInt16BE(72)).toBe(client.length);
    expect(content.subarray(74)).toEqual(client);
    expect(keys.open(encrypt(name, random, content))).toMatchObject({ since, psk: new Uint8Array(psk) });
    // another version that shares the key may put something else in
    const oddTime = Buffer.from(content);
    oddTime.writeUInt32BE(content.readUInt32BE(32) - 10, 32);
    oddTime.writeUInt32BE(1000, 36);
    for (const other of [content.subarray(1), Buffer.concat([content, content]), Buffer.alloc(0), oddTime])
      expect(keys.open(encrypt(name, random, other))).toBeUndefined();
    expect(() => decrypt(Buffer.alloc(16), random, ticket.subarray(48))).toThrow(/authenticate/);
  });
});

function keyOf(random: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', ticketKey, random, 'secure-sockets ticket', 32));
}

function encrypt(name: Uint8Array, random: Uint8Array, content: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', keyOf(random), Buffer.alloc(12)).setAAD(name);
  return Buffer.concat([name, random, cipher.update(content), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(name: Uint8Array, random: Uint8Array, sealed: Uint8Array): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', keyOf(random), Buffer.alloc(12), { authTagLength: 16 });
  decipher.setAAD(name).setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
}
