import { describe, expect, it } from 'vitest';
import { sodium } from '../../backends/sodium.js';
import { isShipped } from '../../src/options/shipped-backends.js';
import { backends } from '../helpers/backends.js';
import { clientOf, pair, rejection } from '../helpers/sockets.js';

describe('a backend of the package', () => {
  it.each(backends)('is known for one, and what is made of it is not: $name', (backend) => {
    expect(isShipped(backend)).toBe(true);
    expect(isShipped({ ...backend })).toBe(false);
    expect(isShipped(Object.create(backend))).toBe(false);
    expect(isShipped(new Proxy(backend, {}))).toBe(false);
    expect(Object.keys(backend)).toEqual(Object.keys({ ...backend }));
  });

  it('with a method of an application is held to the interface', async () => {
    await using standing = await pair('sealed');
    for (const made of [{ ...sodium }, Object.create(sodium) as typeof sodium]) {
      const backend = Object.assign(made, { sha256: () => new Uint8Array(31) });
      const error = await rejection(clientOf(standing.server, { backend }).connect(standing.server.address));
      expect(error).toMatchObject({ code: 'BAD_OPTION', message: expect.stringContaining('sha256()') });
    }
  });
});
