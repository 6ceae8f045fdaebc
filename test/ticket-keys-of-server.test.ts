import { SecureServer } from 'secure-sockets';
import { expect, it, vi } from 'vitest';
import type * as Module from '../src/sessions/ticket-keys.js';
import { identityFor } from './helpers/sockets.js';

/** What ticket keys were made of, by every server. */
const handedOver = vi.hoisted((): (readonly Uint8Array[] | undefined)[] => []);
vi.mock('../src/sessions/ticket-keys.js', async (load) => {
  const { TicketKeys } = await load<typeof Module>();
  return {
    TicketKeys: class extends TicketKeys {
      constructor(options: ConstructorParameters<typeof TicketKeys>[0]) {
        super(options);
        handedOver.push(options.shared);
      }
    },
  };
});

it('A server overwrites its copies of shared ticket keys when it closes, and not those of the program', async () => {
  const ticketKeys = [1, 2].map((value) => new Uint8Array(32).fill(value));
  const server = new SecureServer({ identity: await identityFor('sealed'), ticketKeys });
  await server.listen({ port: 0, host: '127.0.0.1' });
  await server.reload({ identity: await identityFor('sealed') });
  const [first, second] = handedOver.map((keys) => keys ?? expect.fail('no keys'));
  expect(first?.map(([byte]) => byte)).toEqual([1, 2]);
  expect(second).toBe(first);
  await server.close();
  expect(first?.flatMap((key) => [...new Set(key)])).toEqual([0, 0]);
  expect(ticketKeys.map(([byte]) => byte)).toEqual([1, 2]);
});
