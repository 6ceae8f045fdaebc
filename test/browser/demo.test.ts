import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Browser, Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { haveChromium, startChromium } from '../../scripts/lib/chromium.mjs';
import { requireBuild, start } from '../cli/command.js';
import { root } from '../helpers/pack.js';

// of the page, where the functions given to evaluate() run
declare const document: {
  readonly documentElement: { readonly scrollWidth: number };
  getElementById(id: string): { toDataURL(): string };
  querySelectorAll(selector: string): Iterable<{ readonly labels?: ArrayLike<unknown> }>;
};

const SECONDS = 60_000;
const fingerprint = /SHA256:[\w+/]{43}/;

describe.skipIf(!haveChromium())('npm run demo:web', { timeout: 2 * SECONDS }, () => {
  let browser: Browser;
  let server: ChildProcess;
  let address: string;
  let roomKey: string;
  const problems: string[] = [];

  beforeAll(async () => {
    await requireBuild();
    server = spawn(process.execPath, [join(root, 'examples/web/serve.mjs')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    for await (const line of createInterface({ input: server.stdout as NodeJS.ReadableStream })) {
      said += `${line}\n`;
      if (line.startsWith('Stop it')) break;
    }
    address = /http:\S+/.exec(said)?.[0] ?? '';
    roomKey = fingerprint.exec(said)?.[0] ?? '';
    browser = await startChromium();
  }, SECONDS);

  afterAll(async () => {
    await browser?.close();
    if (server === undefined || server.exitCode !== null) return;
    server.kill('SIGTERM');
    await once(server, 'exit');
  });

  async function open(): Promise<Page> {
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    page.setDefaultTimeout(SECONDS);
    await page.setViewport({ width: 390, height: 844 });
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('requestfailed', (request) => problems.push(`${request.url()} failed`));
    page.on('request', (request) => {
      if (!/^(http|ws):\/\/127\.0\.0\.1:|^data:/.test(request.url())) problems.push(request.url());
    });
    await page.goto(address);
    await page.waitForSelector('html[data-ready]');
    return page;
  }

  async function read(page: Page, selector: string, pattern: RegExp): Promise<string> {
    await page.waitForFunction(
      `new RegExp(${JSON.stringify(pattern.source)}).test(document.querySelector(${JSON.stringify(selector)}).textContent)`,
    );
    return page.$eval(selector, (element) => (element as unknown as { textContent: string }).textContent);
  }

  async function enter(page: Page): Promise<void> {
    expect(await read(page, '#room-key', fingerprint)).toBe(roomKey);
    await page.click('#room-trust');
    await read(page, '#room-status', /^Connected/);
  }

  async function say(page: Page, text: string): Promise<void> {
    await page.$eval('#room-text', (input, value) => Object.assign(input, { value }), text);
    await page.$eval('#room-form', (form) => (form as unknown as { requestSubmit(): void }).requestSubmit());
  }

  test('two browsers and a terminal talk to each other, and see the bytes', async () => {
    const first = await open();
    const second = await open();
    await enter(first);
    await enter(second);
    const terminal = start(tmpdir(), [
      'connect',
      '-v',
      '--server-key',
      roomKey,
      `${address.replace('http', 'ws')}room`,
    ]);
    await terminal.until(/connected to ws:/, SECONDS);
    await read(first, '#wire', /someone without a key has come/);
    await say(first, 'from the first');
    await read(second, '#wire', /SHA256:\S{8}: from the first/);
    terminal.child.stdin?.write('from the terminal');
    for (const page of [first, second]) await read(page, '#wire', /someone without a key: from the terminal/);
    const own = await read(first, '#wire li:nth-last-child(2)', /from the first/);
    expect(own).toMatch(/38 bytes on the wire.*from the first.*00 00 23( [0-9a-f]{2}){35}$/);
    terminal.child.stdin?.end();
    await say(second, 'the last word');
    expect(await terminal.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('the last word') });
    for (const page of [first, second]) await page.browserContext().close();
    expect(problems).toEqual([]);
  });

  test('a page that finds another key sends nothing', async () => {
    const page = await open();
    await read(page, '#room-key', fingerprint);
    await page.click('#room-refuse');
    await read(page, '#room-status', /^Nothing was sent/);
    expect(
      await page.$eval('#room-text', (input) => (input as unknown as { disabled: boolean }).disabled),
    ).toBe(true);
    await page.browserContext().close();
  });

  test('an impostor is refused, the pictures differ, and every backend is measured', async () => {
    const page = await open();
    await page.click('#pin-try');
    expect(await read(page, '#pin-result', /UNTRUSTED_SERVER/)).toMatch(
      /but serverKey allows only SHA256:.*none of a message/,
    );
    expect(await read(page, '#ecb-count', /blocks/)).toMatch(/^\d\d different blocks of 16384$/);
    await read(page, '#sealed-count', /^16384 different blocks of 16384$/);
    const images = await page.evaluate(() =>
      ['plain', 'ecb', 'sealed'].map((id) => document.getElementById(id).toDataURL()),
    );
    expect(new Set(images).size).toBe(3);
    await page.click('#picture-clear');
    await read(page, '#ecb-count', /^1 different blocks/);
    await (await page.$('#plain'))?.click();
    await read(page, '#ecb-count', /^([2-9]|\d\d+) different blocks/);
    await page.click('#speed-run');
    await read(page, '#speed-status', /^Both ends/);
    const bars = await page.$$eval('.bars .figure', (all) =>
      all.map((one) => Number((one as unknown as { textContent: string }).textContent.replaceAll(',', ''))),
    );
    expect(bars).toHaveLength(9);
    for (const figure of bars) expect(figure).toBeGreaterThan(0);
    await page.browserContext().close();
    expect(problems).toEqual([]);
  });

  test('it fits a phone, names what can be used, and loads nothing from elsewhere', async () => {
    const page = await open();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
    const unnamed = await page.$$eval(
      'input, canvas, button, ol',
      (all) =>
        (
          all as unknown as {
            labels?: ArrayLike<unknown>;
            textContent: string;
            getAttribute(name: string): string | null;
          }[]
        ).filter((one) => !one.labels?.length && !one.textContent.trim() && !one.getAttribute('aria-label'))
          .length,
    );
    expect(unnamed).toBe(0);
    await page.browserContext().close();
    expect(problems).toEqual([]);
  });
});
