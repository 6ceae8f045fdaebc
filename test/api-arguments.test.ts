import { connect, Identity, listen, reconnecting, SecureClient, SecureServer } from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { bytes, pin, text } from './helpers/api-values.js';
import { keep } from './helpers/kept.js';
import { type Pair, pair, protocols, rejection } from './helpers/sockets.js';

/** What a program in JavaScript may give, though one in TypeScript may not. */
function two(...all: unknown[]): [never] {
  return all as [never];
}

describe.each(protocols)('%s', (protocol) => {
  describe('every method refuses what it does not know, before it begins anything', () => {
    let ends: Pair;
    const controller = new AbortController();
    const wrong: [name: string, call: () => Promise<unknown>, text: string][] = [
      [
        'close() of a server',
        () => ends.server.close({ timeout: 'soon' } as never),
        'timeout of close() must be',
      ],
      ['close() of a server', () => ends.server.close({ timeout: -1 }), 'timeout of close() must be'],
      ['close() of a client', () => ends.client.close({ timeout: 0 }), 'timeout of close() must be'],
      [
        'close() of a client',
        () => ends.client.close({ timeout: 'long' } as never),
        'timeout of close() must be',
      ],
      ['close() of a server', () => ends.server.close({ timeout: Number.NaN }), 'timeout of close() must be'],
      ['close() of a server', () => ends.server.close({ drain: 2 ** 31 }), 'drain of close() must be'],
      ['close() of a server', () => ends.server.close({ wait: 1 } as never), 'no option "wait"'],
      ['close() of a server', () => ends.server.close(5 as never), 'an object of options'],
      [
        'accept()',
        () => ends.server.accept({ signal: controller } as never),
        'the signal of this controller',
      ],
      ['accept()', () => ends.server.accept({ timeout: 1 } as never), 'no option "timeout"'],
      ['accept()', () => ends.server.accept(null as never), 'an object of options'],
      ['attach()', () => ends.server.attach({} as never), 'a Transport'],
      ['attach()', () => ends.server.attach({ start: () => {} } as never), 'a method write()'],
      ['listen()', () => new SecureServer().listen({ port: 1, hostname: 'a' } as never), 'did you mean host'],
      ['listen()', () => new SecureServer().listen({ port: 1, path: 'a' } as never), 'not both'],
      ['listen()', () => new SecureServer().listen({ port: 1, unlink: true } as never), 'for a path'],
      ['listen()', () => listen({ port: 0, hots: 'x' } as never), 'no option "hots"'],
      ['listen()', () => listen(null as never), 'an object of options'],
      [
        'listen()',
        () => listen(...two({ port: 0 }, { authorizedKeys: [] })),
        'options stand beside the port',
      ],
      ['listen()', () => listen(...two(0, { identity: null })), 'takes one argument, not 2'],
      ['listen()', () => new SecureServer().listen(...two(0, '127.0.0.1')), '{ host, port } or { path }'],
      ['bind()', () => new SecureServer().bind(...two(0, '127.0.0.1')), 'takes one argument, not 2'],
      ['listen()', () => listen({} as never), 'port must be'],
      ['listen()', () => listen(70_000), 'port must be'],
      ['listen()', () => listen('9000' as never), 'an object of options, not a string'],
      ['connect()', () => newClient().connect({ port: 1 }, { signal: controller } as never), 'AbortSignal'],
      ['connect()', () => newClient().connect({ port: 1 }, { signal: {} } as never), 'an AbortSignal'],
      ['connect()', () => newClient().connect({ port: 1 }, { timeout: 5 } as never), 'no option "timeout"'],
      ['connect()', () => newClient().connect({ port: 1 }, null as never), 'an object of options'],
      [
        'connect()',
        () => newClient().connect({ port: 1 }, { host: 5 } as never),
        'host of connect() must be',
      ],
      [
        'connect()',
        () => newClient().connect({ port: 1 }, { port: 1.5 } as never),
        'port of connect() must be',
      ],
      ['connect()', () => newClient().connect({ start: () => {} } as never), 'a method write()'],
      ['connect()', () => connect({ port: 1 }, { servrKey: pin } as never), 'no option "servrKey"'],
      ['connect()', () => connect({ port: 1 }, null as never), 'an object of options'],
      ['send()', () => ends.client.send('text' as never), 'a Uint8Array'],
      ['send()', () => ends.client.send(bytes('x'), { signal: controller } as never), 'AbortSignal'],
      [
        'send()',
        () => ends.client.send(bytes('x'), { sginal: 1 } as never),
        'no option "sginal": did you mean signal?',
      ],
      ['recv()', () => ends.client.recv({ signal: 'x' } as never), 'an AbortSignal'],
      ['recv()', () => ends.client.recv({ timeout: 5 } as never), 'no option "timeout"'],
      ['end()', () => ends.client.end({ code: 7 }), 'close code'],
      ['end()', () => ends.client.end({ signal: controller.signal } as never), 'no option "signal"'],
      ['close()', () => ends.client.close({ code: 7 }), 'close code'],
      ['close()', () => ends.client.close({ wait: 'soon' } as never), 'no option "wait"'],
      ['close()', () => ends.client.close({ signal: controller } as never), 'AbortSignal'],
      ['reconnecting()', () => once({ initialDelay: 'x' }), 'initialDelay of reconnecting() must be'],
      ['reconnecting()', () => once({ delay: 5 }), 'no option "delay"'],
      ['reconnecting()', () => once({ signal: controller }), 'AbortSignal'],
      ['reconnecting()', () => once({ onError: 5 }), 'onError of reconnecting() must be'],
    ];
    const newClient = (): SecureClient => new SecureClient({ protocol, serverKey: pin });
    const once = async (options: object): Promise<unknown> => {
      for await (const _ of reconnecting({ port: 1 }, { protocol }, options)) break;
      return 'accepted';
    };

    it.each(wrong.map(([name, call, text], index) => [`${name} ${index}`, call, text] as const))(
      '%s',
      async (_, call, expected) => {
        ends = keep(await pair(protocol));
        const error = await rejection(Promise.resolve().then(call));
        expect(['BAD_ARGUMENT', 'BAD_OPTION']).toContain(error.code);
        expect(error.message).toContain(expected);
        await ends.client.send(bytes('still there'));
        expect(text(await ends.peer.recv())).toBe('still there');
      },
    );

    it('and returns a promise even then', async () => {
      ends = keep(await pair(protocol));
      for (const [, call] of wrong) {
        const result = call();
        expect(result).toBeInstanceOf(Promise);
        await result.catch(() => {});
      }
    });
  });
});

describe('a role', () => {
  it('that does not fit is noticed at construction', async () => {
    const server = await Identity.generate({ modulusLength: 2048 });
    const client = await Identity.generate({ role: 'client', modulusLength: 2048 });
    const wrong: [() => unknown, string][] = [
      [() => new SecureServer({ identity: client }), 'role client; here it takes one of role server'],
      [() => new SecureClient({ serverKey: pin, identity: server }), 'takes one of role client'],
      [() => new SecureServer({ protocol: 'classic', identity: server }), 'takes one of role classic-server'],
    ];
    for (const [make, text] of wrong) {
      expect(make).toThrow(
        expect.objectContaining({ code: 'BAD_IDENTITY', message: expect.stringContaining(text) }),
      );
    }
  });
});
