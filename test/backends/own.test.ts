import { describe, expect, it } from 'vitest';
import { forge } from '../../backends/forge.js';
import { noble } from '../../backends/noble.js';
import { sodium } from '../../backends/sodium.js';
import { web } from '../../backends/web.js';
import { isOwn } from '../../src/options/own-backends.js';
import { clientOf, pair, rejection } from '../helpers/sockets.js';

describe('a backend of the package', () => {
  it.each([forge, noble, sodium, web])(
    'is known for one, and what is made of it is not: $name',
    (backend) => {
      expect(isOwn(backend)).toBe(true);
      expect(isOwn({ ...backend })).toBe(false);
      expect(isOwn(Object.create(backend))).toBe(false);
      expect(isOwn(new Proxy(backend, {}))).toBe(false);
      expect(Object.keys(backend)).toEqual(Object.keys({ ...backend }));
    },
  );

  it('with a method of an application is held to the interface', async () => {
    await using standing = await pair('sealed');
    for (const made of [{ ...sodium }, Object.create(sodium) as typeof sodium]) {
      const backend = Object.assign(made, { sha256: () => new Uint8Array(31) });
      const error = await rejection(clientOf(standing.server, { backend }).connect(standing.server.address));
      expect(error).toMatchObject({ code: 'BAD_OPTION', message: expect.stringContaining('sha256()') });
    }
  });
});
