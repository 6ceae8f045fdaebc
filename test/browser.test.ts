// Real browsers. One file, because starting a browser takes seconds and its tests share one page.

import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import puppeteer, { type Browser, type Page } from 'puppeteer-core';
import { Identity, type SecureClient, SecureServer, webSocket } from 'secure-sockets';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { bundle, project } from './helpers/browser-bundle.js';

type Library = typeof import('../src/browser.js');

declare const library: Library;

// of the page, where the functions given to evaluate() run
declare const gc: () => void;

declare const localStorage: import('../src/browser.js').WebStorage & { clear(): void };

declare const location: { readonly origin: string };

declare const WebSocket: new (
  url: string,
  protocol: string,
) => import('../src/browser.js').WebSocketLike & {
  addEventListener(type: 'close', listener: (event: { readonly wasClean: boolean }) => void): void;
};

declare const Worker: new (
  url: string,
  options: { type: 'module' },
) => {
  onmessage: (event: { data: string }) => void;
  onerror: (event: { message: string }) => void;
  postMessage(message: unknown, transfer: unknown[]): void;
  terminate(): void;
};

declare const navigator: {
  readonly serviceWorker: {
    register(url: string): Promise<{ unregister(): Promise<boolean> }>;
    readonly ready: Promise<{
      readonly active: { postMessage(message: unknown, transfer: unknown[]): void };
    }>;
  };
};

declare const WebSocketStream: new (
  url: string,
  options: { protocols: string[] },
) => {
  readonly opened: Promise<import('../src/browser.js').StreamPair>;
  readonly closed: Promise<{ readonly closeCode: number }>;
};

/** One file, because a service worker has no `import()`. */
const serviceWorker = `import { SecureClient, webSocket } from 'secure-sockets';
  addEventListener('message', (event) => event.waitUntil(answer(event.data, event.ports[0])));
  async function answer([url, serverKey], port) {
    try {
      const client = new SecureClient({ serverKey });
      await client.connect(webSocket(url));
      await client.send(new Uint8Array(100_000).fill(9));
      const echo = await client.recv();
      await client.close();
      port.postMessage([echo.length, echo[99_999]]);
    } catch (error) {
      port.postMessage(error.message);
    }
  }`;

const installed = [
  {
    name: 'Chromium',
    path: '/usr/bin/chromium',
    browser: 'chrome',
    args: [
      ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
      ...['--disable-background-networking', '--disable-component-update', '--js-flags=--expose-gc'],
    ],
  },
  { name: 'Firefox', path: '/usr/bin/firefox-esr', browser: 'firefox', args: [] },
] as const;

/** Mebibytes that the server sends at these words. */
const floods = { flood: 64, drown: 512 };

const isRequired = process.env.REQUIRE_BROWSER === '1';

describe.each(installed)('$name', ({ path, browser: kind, args, name }) => {
  if (!existsSync(path) && !isRequired) {
    it.skip(`is not installed at ${path}: nothing of it is tested (REQUIRE_BROWSER=1 makes that a failure)`);
    return;
  }

  let browser: Browser;
  let page: Page;
  let web: Server;
  let server: SecureServer;
  let restricted: SecureServer;
  let identity: Identity;
  let known: Identity;
  const accepted: SecureClient[] = [];
  const problems: string[] = [];

  beforeAll(async () => {
    const { outputFiles } = await bundle("export * from 'secure-sockets';", project.path);
    const files = new Map(outputFiles.map(({ path, text }) => [`/${path.split('/').pop()}`, text]));
    const inOne = await bundle(serviceWorker, project.path, { splitting: false, format: 'iife' });
    files.set('/service-worker.js', inOne.outputFiles[0]?.text ?? '');
    web = createServer((request, response) => {
      const file = files.get(request.url ?? '');
      response.setHeader('content-type', file === undefined ? 'text/html' : 'text/javascript');
      response.end(
        file ??
          '<!doctype html><link rel=icon href=data:,><script type=module>import * as library from "/stdin.js"; globalThis.library = library</script>',
      );
    }).listen(0, '127.0.0.1');
    await once(web, 'listening');
    identity = await Identity.generate({ modulusLength: 2048 });
    known = await Identity.generate({ role: 'client', modulusLength: 2048 });
    server = new SecureServer({
      identity,
      suites: ['X25519MLKEM768', 'X25519', 'X25519MLKEM768-CHACHA20', 'X25519-CHACHA20'],
      closeTimeout: 1000,
    });
    restricted = new SecureServer({ identity, authorizedKeys: [known.fingerprint], closeTimeout: 1000 });
    const sockets = new WebSocketServer({ server: web });
    sockets.on('connection', (socket, request) => {
      const which = request.url === '/restricted' ? restricted : server;
      if (request.url === '/text') socket.send('text');
      if (request.url === '/cut') setTimeout(() => socket.terminate(), 300);
      void which.attach(webSocket(socket, { remoteAddress: request.socket.remoteAddress }));
    });
    void (async () => {
      for await (const client of server) serve(client).catch(() => {});
    })();
    void (async () => {
      for await (const client of restricted) await client.send(new TextEncoder().encode('welcome'));
    })();
    browser = await puppeteer.launch({
      browser: kind,
      executablePath: path,
      headless: true,
      args: [...args],
    });
    page = await browser.newPage();
    // Firefox logs by itself how each WebSocket ended
    const isOfFirefox = /connection to (the server at )?ws:/;
    page.on('pageerror', (error) => {
      if (!isOfFirefox.test(String(error))) problems.push(String(error));
    });
    await page.goto(`http://127.0.0.1:${(web.address() as AddressInfo).port}/`);
    await page.waitForFunction('"library" in globalThis');
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    await server?.close({ timeout: 500 });
    await restricted?.close({ timeout: 500 });
    web?.closeAllConnections();
    web?.close();
  });

  /**
   * Echoes; 'wait' makes it stop reading for a while and then take what comes, 'bye' close with a code, 'flood' send
   * more than is read, 'drown' more than may be held anywhere.
   */
  async function serve(client: SecureClient): Promise<void> {
    accepted.push(client);
    for await (const message of client) {
      const word = message.length < 10 ? new TextDecoder().decode(message) : '';
      if (word === 'wait') {
        await new Promise((resolve) => setTimeout(resolve, 1500));
        while ((await client.recv()) !== null);
      } else if (word === 'bye') await client.close({ code: 20_000 });
      else if (word === 'flood' || word === 'drown')
        for (let i = 0; i < floods[word]; i++) await client.send(new Uint8Array(2 ** 20));
      else await client.send(message);
    }
  }

  const where = (path = '/'): [string, string] => [
    `ws://127.0.0.1:${(web.address() as AddressInfo).port}${path}`,
    identity.fingerprint,
  ];

  it.each(['X25519', 'X25519-CHACHA20', 'X25519MLKEM768', 'X25519MLKEM768-CHACHA20'] as const)(
    'connects by %s and carries 0 bytes to 8 MiB',
    async (suite) => {
      const result = await page.evaluate(
        async ([url, serverKey], suite) => {
          const client = new library.SecureClient({ serverKey, suites: [suite] });
          await client.connect(library.webSocket(url));
          const lengths = [0, 1, 255, 1000, 70_000, 8 * 2 ** 20];
          const right: boolean[] = [];
          for (const length of lengths) {
            const message = new Uint8Array(length).fill(length % 251);
            await client.send(message);
            const echo = await client.recv();
            right.push(echo?.length === length && echo.every((byte) => byte === length % 251));
          }
          await client.close();
          return { suite: client.suite, backend: client.backend, right, end: await client.recv() };
        },
        where(),
        suite,
      );
      expect(result).toEqual({ suite, backend: 'web', right: Array(6).fill(true), end: null });
    },
    60_000,
  );

  const failure = (path: string, options: object): Promise<string> =>
    page.evaluate(
      async ([url], options) => {
        const client = new library.SecureClient(options);
        return client.connect(library.webSocket(url)).then(
          () => 'connected',
          (error: { code: string }) => error.code,
        );
      },
      where(path),
      options,
    );

  it('refuses a server with another key, and one without a way to trust', async () => {
    expect(await failure('/', { serverKey: `SHA256:${'A'.repeat(43)}` })).toBe('UNTRUSTED_SERVER');
    expect(await failure('/', {})).toBe('NO_TRUST');
    expect(await failure('/text', { serverKey: identity.fingerprint })).toBe('PROTOCOL');
  });

  it('says what it cannot do here', async () => {
    expect(
      await page.evaluate(() => {
        try {
          library.webSocket('ftp://example.org');
          return 'opened';
        } catch (error) {
          return (error as { code: string }).code;
        }
      }),
    ).toBe('BAD_ARGUMENT');
    const code = await page.evaluate(async ([url]) => {
      const options = { knownHosts: 'known_hosts' as never };
      const client = new library.SecureClient(options);
      return client.connect(library.webSocket(url), { host: 'a', port: 1 }).then(
        () => 'connected',
        (error: { code: string }) => error.code,
      );
    }, where());
    expect(code).toBe('BAD_OPTION');
  });

  it('shows who it is, with a key in the page or one that the platform keeps', async () => {
    const outcome = await page.evaluate(
      async ([url, serverKey], pem) => {
        const words: string[] = [];
        const strange = await library.Identity.generate({ role: 'client', extractable: false });
        for (const identity of [library.Identity.fromPem(pem), strange, undefined]) {
          const client = new library.SecureClient(identity ? { serverKey, identity } : { serverKey });
          try {
            await client.connect(library.webSocket(url));
            words.push(new TextDecoder().decode((await client.recv()) as Uint8Array));
          } catch (error) {
            words.push((error as { code: string }).code);
          }
          await client.close();
        }
        return { words, extractable: strange.extractable };
      },
      where('/restricted'),
      known.toPem(),
    );
    expect(outcome).toEqual({
      words: ['welcome', 'UNAUTHORIZED_CLIENT', 'UNAUTHORIZED_CLIENT'],
      extractable: false,
    });
  }, 60_000);

  it('keeps known hosts in localStorage', async () => {
    const codes = await page.evaluate(async ([url, serverKey]) => {
      localStorage.clear();
      const outcomes: string[] = [];
      const store = { storage: localStorage, key: 'hosts' };
      for (const mode of ['strict', 'tofu', 'strict'] as const) {
        const client = new library.SecureClient({ knownHosts: { ...store, mode } });
        await client.connect(library.webSocket(url), { host: 'here', port: 80 }).then(
          () => outcomes.push('connected'),
          (error: { code: string }) => outcomes.push(error.code),
        );
        await client.close();
      }
      return [...outcomes, localStorage.getItem('hosts')?.includes(serverKey)];
    }, where());
    expect(codes).toEqual(['UNTRUSTED_SERVER', 'connected', 'connected', true]);
  });

  it('adds known hosts in two pages at the same time, and loses none', async () => {
    const other = await browser.newPage();
    await other.goto(page.url());
    await other.waitForFunction('"library" in globalThis');
    const add = (which: Page, name: string): Promise<void> =>
      which.evaluate(async (name) => {
        const hosts = new library.KnownHosts({ storage: localStorage, key: 'shared' });
        for (let port = 1; port <= 8; port++) await hosts.add(name, port, `SHA256:${'A'.repeat(43)}`);
      }, name);
    await Promise.all([add(page, 'one'), add(other, 'other')]);
    const count = (): Promise<number> =>
      page.evaluate(async () => {
        const { length } = await new library.KnownHosts({ storage: localStorage, key: 'shared' }).list();
        return length;
      });
    await expect.poll(count, { timeout: 2000 }).toBe(16);
    await other.close();
  }, 60_000);

  it('waits for a server that does not read', async () => {
    const took = await page.evaluate(async ([url, serverKey]) => {
      const client = new library.SecureClient({ serverKey });
      await client.connect(library.webSocket(url));
      await client.send(new TextEncoder().encode('wait'));
      const begun = performance.now();
      const chunk = new Uint8Array(2 ** 20);
      for (let i = 0; i < 64; i++) await client.send(chunk);
      const milliseconds = performance.now() - begun;
      client.destroy();
      return milliseconds;
    }, where());
    expect(took).toBeGreaterThan(700);
  }, 60_000);

  it('bounds what a server sends that is not read, and fails then', async () => {
    const outcome = await page.evaluate(async ([url, serverKey]) => {
      const client = new library.SecureClient({ serverKey, maxMessage: 2 ** 20 });
      await client.connect(library.webSocket(url, { maxReadAhead: 2 ** 22 }));
      await client.send(new TextEncoder().encode('drown'));
      await client.closed;
      let count = 0;
      try {
        while ((await client.recv()) !== null) count++;
        return 'ended';
      } catch (error) {
        return { code: (error as { code: string }).code, count };
      }
    }, where());
    // Firefox goes on reading: a page that is not known yet not to read may hold 256 MiB before the first is decrypted
    const most = name === 'Chromium' ? 20 : 280;
    expect(outcome).toEqual({ code: 'BUFFER_LIMIT', count: expect.toSatisfy((count) => count < most) });
  }, 60_000);

  it('tells a cut from an end, and gets the close code', async () => {
    const outcomes = await page.evaluate(async ([url, serverKey]) => {
      const end = async (path: string, word?: string): Promise<unknown> => {
        const client = new library.SecureClient({ serverKey });
        await client.connect(library.webSocket(new URL(path, url)));
        if (word) await client.send(new TextEncoder().encode(word));
        return client.recv().then(
          () => client.closeCode,
          (error: { code: string; blame: string }) => `${error.blame}`,
        );
      };
      return [await end('/', 'bye'), await end('/cut')];
    }, where());
    expect(outcomes).toEqual([20_000, 'network']);
  });

  it('has 50 connections at once, whose WebSockets are closed in order', async () => {
    const outcome = await page.evaluate(async ([url, serverKey]) => {
      const clients = Array.from({ length: 50 }, () => new library.SecureClient({ serverKey }));
      const closings: Promise<boolean>[] = [];
      const open = (): InstanceType<typeof WebSocket> => {
        const socket = new WebSocket(url, library.WEB_SOCKET_PROTOCOL);
        const waitForClose = (done: (wasClean: boolean) => void): void =>
          socket.addEventListener('close', ({ wasClean }) => done(wasClean));
        closings.push(new Promise(waitForClose));
        return socket;
      };
      await Promise.all(clients.map((client) => client.connect(library.webSocket(open()))));
      await Promise.all(clients.map((client, i) => client.send(new Uint8Array(i + 1000).fill(i))));
      const echoes = await Promise.all(clients.map((client) => client.recv()));
      await Promise.all(clients.map((client) => client.close()));
      const right = echoes.filter((echo, i) => echo?.length === i + 1000 && echo[0] === i).length;
      const inOrder = (await Promise.all(closings)).filter((wasClean) => wasClean).length;
      return { right, inOrder };
    }, where());
    // Firefox holds new WebSockets back after some that were cut
    expect(outcome).toEqual({ right: 50, inOrder: 50 });
  }, 60_000);

  it('works in a dedicated worker, and between page and worker over a MessagePort', async () => {
    const outcome = await page.evaluate(async ([url, serverKey]) => {
      const source = `import { SecureClient, SecureServer, messagePort, webSocket } from '${location.origin}/stdin.js';
        const client = new SecureClient({ serverKey: '${serverKey}' });
        await client.connect(webSocket('${url}'));
        const server = new SecureServer({ modulusLength: 2048 });
        addEventListener('message', async ({ data }) => {
          await server.attach(messagePort(data));
          postMessage(server.fingerprint);
          const page = await server.accept();
          for await (const message of page) { await client.send(message); await page.send(await client.recv()); }
        });
        postMessage('ready');`;
      const worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })), {
        type: 'module',
      });
      const next = (): Promise<string> =>
        new Promise((resolve, reject) => {
          worker.onmessage = ({ data }) => resolve(data);
          worker.onerror = (event) => reject(new Error(event.message));
        });
      await next();
      const { port1, port2 } = new MessageChannel();
      worker.postMessage(port2, [port2]);
      const client = new library.SecureClient({ serverKey: await next() });
      await client.connect(library.messagePort(port1));
      await client.send(new Uint8Array(100_000).fill(9));
      const echo = await client.recv();
      worker.terminate();
      return [echo?.length, echo?.[99_999]];
    }, where());
    expect(outcome).toEqual([100_000, 9]);
  }, 60_000);

  it('works in a service worker', async () => {
    const outcome = await page.evaluate(async (address) => {
      const registration = await navigator.serviceWorker.register('/service-worker.js');
      const { active } = await navigator.serviceWorker.ready;
      const { port1, port2 } = new MessageChannel();
      active.postMessage(address, [port2]);
      const port = port1 as unknown as { onmessage: (event: { readonly data: unknown }) => void };
      const answer = await new Promise((resolve) => {
        port.onmessage = ({ data }) => resolve(data);
      });
      await registration.unregister();
      return answer;
    }, where());
    expect(outcome).toEqual([100_000, 9]);
  }, 60_000);

  it.runIf(name === 'Chromium')(
    'takes the streams of a WebSocketStream, which holds a server back by itself',
    async () => {
      const outcome = await page.evaluate(async ([url, serverKey]) => {
        const socket = new WebSocketStream(url, { protocols: [library.WEB_SOCKET_PROTOCOL] });
        const client = new library.SecureClient({ serverKey, maxMessage: 2 ** 20 });
        await client.connect(library.webStreams(await socket.opened));
        await client.send(new TextEncoder().encode('flood'));
        await new Promise((resolve) => setTimeout(resolve, 1500));
        let count = 0;
        while (count < 64 && (await client.recv())?.length === 2 ** 20) count++;
        await client.close();
        const { closeCode } = await socket.closed;
        return { count, isInOrder: [1000, 1005].includes(closeCode) };
      }, where());
      // the same flood is too much for a WebSocket; the end of a stream closes without a code, if the server is not sooner
      expect(outcome).toEqual({ count: 64, isInOrder: true });
    },
    60_000,
  );

  it.runIf(name === 'Chromium')(
    'keeps no memory of 1,000 connections',
    async () => {
      const growth = await page.evaluate(async ([url, serverKey]) => {
        const connect = async (): Promise<void> => {
          const client = new library.SecureClient({ serverKey, suites: ['X25519'] });
          await client.connect(library.webSocket(url));
          await client.send(new Uint8Array(1000));
          await client.recv();
          await client.close();
        };
        const memoryUsed = async (): Promise<number> => {
          for (let i = 0; i < 5; i++) {
            await new Promise((resolve) => setTimeout(resolve, 50));
            gc();
          }
          return (performance as unknown as { memory: { usedJSHeapSize: number } }).memory.usedJSHeapSize;
        };
        for (let i = 0; i < 100; i++) await connect();
        const before = await memoryUsed();
        for (let i = 0; i < 1000; i += 10) await Promise.all(Array.from({ length: 10 }, connect));
        return (await memoryUsed()) - before;
      }, where());
      // a kilobyte for each would be a leak
      expect(growth).toBeLessThan(1_000_000);
    },
    180_000,
  );

  it('has thrown nothing that was not caught', () => expect(problems).toEqual([]));
});
