import { Identity, SecureServer } from 'secure-sockets';
import { expect, test, vi } from 'vitest';
import { diallerFor } from '../../src/cli/shared/trust.js';
import { portOf } from '../helpers/sockets.js';

vi.mock('../../src/cli/shared/terminal.js', () => ({
  openTerminal: () => ({ ask: async () => 'yes', close: () => {} }),
}));

test('a server that cannot be written down is not trusted, and no connection to it stays open', async () => {
  const identity = await Identity.generate({ modulusLength: 2048 });
  const server = new SecureServer({ identity });
  await server.listen({ host: '127.0.0.1', port: 0 });
  const { signal } = new AbortController();
  const address = { host: '127.0.0.1', port: portOf(server) };
  const { dial } = await diallerFor(address, { 'known-hosts': '/proc/self/known' }, signal);
  await expect(dial(signal)).rejects.toMatchObject({
    exitCode: 2,
    message: expect.stringContaining('the known servers in /proc/self/known cannot be used: ENOENT'),
    hints: [expect.stringContaining('--server-key'), expect.stringContaining('--known-hosts')],
  });
  const accepted = await server.accept();
  await accepted.closed;
  await server.close();
});
