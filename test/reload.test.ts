import { expect, it } from 'vitest';
import type { ServerPlan } from '../src/options/server-scripts.js';
import type { ServerSettings } from '../src/options/server-settings.js';
import { planReload } from '../src/server/reload.js';
import type { PortableAuthorizedKeys } from '../src/trust/authorized-keys.js';
import { identityFor } from './helpers/sockets.js';

it('wipes what was made for another identity if the list of clients is wrong', async () => {
  const closed: string[] = [];
  const planOf = (fingerprint: string): ServerPlan => ({
    fingerprint,
    script: () => {
      throw new Error('no connection is made here');
    },
    close: () => void closed.push(fingerprint),
    authorizedKeys: {
      reload: () => Promise.reject(new Error('line 1')),
    } as unknown as PortableAuthorizedKeys,
  });
  const settings = { protocol: 'sealed', handshakeTimeout: 1000 } as ServerSettings;
  const make = async (): Promise<ServerPlan> => planOf('new');
  const given = { identity: await identityFor('sealed') };
  await expect(planReload(make, settings, planOf('old'), given)).rejects.toThrow('line 1');
  await expect(planReload(make, settings, planOf('old'), {})).rejects.toThrow('line 1');
  expect(closed).toEqual(['new']);
});
