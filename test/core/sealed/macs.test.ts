import { expect, it } from 'vitest';
import { node } from '../../../backends/node.js';
import type { Backend } from '../../../src/backend.js';
import { fingerprintOf } from '../../../src/core/encodings/fingerprint.js';
import { clientResumption } from '../../../src/core/sealed/client-resumption.js';
import { openPair, spkiOf } from '../../helpers/sealed-ends.js';

/** The node backend, and what it was told to compare. */
function watch(): { backend: Backend; compared: string[] } {
  const compared: string[] = [];
  const equal: Backend['equal'] = (a, b) => {
    compared.push(Buffer.from(a).toString('hex'));
    return node.equal(a, b);
  };
  return { backend: { ...node, equal }, compared };
}

it.each([false, true])('what proves a peer is compared in constant time, resumed: %s', async (resumed) => {
  const [ours, theirs] = [watch(), watch()];
  const spki = spkiOf('server2048');
  const secret = (): Uint8Array => new Uint8Array(32).fill(7);
  const takeTicket = () => ({
    ...{ ticket: Uint8Array.of(1), psk: secret() },
    peer: { spki, fingerprint: fingerprintOf(node, spki) },
  });
  const { client } = await openPair(
    { backend: ours.backend, ...(resumed && { resumption: clientResumption({ takeTicket }) }) },
    {
      backend: theirs.backend,
      tickets: {
        open: () => ({ psk: secret(), since: 1, spki: new Uint8Array(0) }),
        seal: () => undefined,
      },
    },
  );
  expect(client.opening?.resumed).toBe(resumed);
  // SERVER_FINISHED at the client; CLIENT_FINISHED at the server, and before it the binder
  expect([ours.compared.length, theirs.compared.length]).toEqual([1, resumed ? 2 : 1]);
  for (const mac of [...ours.compared, ...theirs.compared]) expect(mac).toMatch(/^[0-9a-f]{64}$/);
});
