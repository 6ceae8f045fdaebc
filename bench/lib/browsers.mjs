// The browsers of bench/browser.mjs, and what Chromium tells of a page by its DevTools protocol.
import { existsSync } from 'node:fs';
import puppeteer from 'puppeteer-core';

const installed = [
  {
    name: 'chromium',
    executablePath: '/usr/bin/chromium',
    browser: 'chrome',
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
  },
  { name: 'firefox', executablePath: '/usr/bin/firefox-esr', browser: 'firefox', args: [] },
];

export const browserNames = installed.map(({ name }) => name);

/** A browser with the page open, or `undefined`, and a word about it, where it is not installed. */
export async function openPage(name, origin) {
  const { executablePath, browser: kind, args } = installed.find((each) => each.name === name);
  if (!existsSync(executablePath)) {
    console.error(`SKIPPED: there is no ${executablePath}`);
    return;
  }
  const options = { executablePath, browser: kind, args, headless: true };
  const browser = await puppeteer.launch({ ...options, timeout: 120_000, protocolTimeout: 180_000 });
  const page = await browser.newPage();
  await page.goto(origin);
  await page.waitForFunction('"work" in globalThis');
  return { name, version: await browser.version(), browser, page };
}

/** Calls a function of browser-page.mjs. */
export function work(page, name, ...values) {
  return page.evaluate((name, values) => globalThis.work[name](...values), name, values);
}

/** Bytes of the page's own memory, with what its typed arrays hold. */
async function memoryOf(session) {
  const { usedSize, backingStorageSize } = await session.send('Runtime.getHeapUsage');
  if (backingStorageSize === undefined)
    throw new Error('this Chromium does not count array buffers: 134 does');
  return usedSize + backingStorageSize;
}

/** How far the page's memory rises above its start while the work is done, garbage included, and what stays of it. */
export async function measureMemory(page, action) {
  const session = await page.createCDPSession();
  const start = await collected(session);
  let peak = start;
  let isDone = false;
  const doing = action().finally(() => (isDone = true));
  while (!isDone) {
    peak = Math.max(peak, await memoryOf(session));
    await Promise.race([doing, new Promise((resolve) => setTimeout(resolve, 20))]);
  }
  await doing;
  const end = await collected(session);
  await session.detach();
  return { peakMiB: (peak - start) / 2 ** 20, leftMiB: (end - start) / 2 ** 20 };
}

async function collected(session) {
  for (let index = 0; index < 3; index++) await session.send('HeapProfiler.collectGarbage');
  return memoryOf(session);
}

/** The functions of the page that take most of its main thread, and their share of the time in percent. */
export async function profile(page, action) {
  const session = await page.createCDPSession();
  await session.send('Profiler.enable');
  await session.send('Profiler.start');
  await action();
  const { profile } = await session.send('Profiler.stop');
  await session.detach();
  return sharesOf(profile);
}

function sharesOf({ nodes, samples, timeDeltas }) {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, callFrame.functionName || '(anonymous)']));
  const times = new Map();
  const add = (name, time) => times.set(name, (times.get(name) ?? 0) + time);
  for (const [index, id] of samples.entries()) add(names.get(id), timeDeltas[index]);
  const total = [...times.values()].reduce((sum, time) => sum + time, 0);
  const sorted = [...times].sort(([, a], [, b]) => b - a).slice(0, 10);
  return Object.fromEntries(sorted.map(([name, time]) => [name, (100 * time) / total]));
}
