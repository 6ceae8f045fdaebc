import { existsSync } from 'node:fs';
import puppeteer, { type Browser } from 'puppeteer-core';

const chromium = '/usr/bin/chromium';

/** Whether there is a Chromium. Throws where there has to be one. */
export function haveChromium(): boolean {
  if (existsSync(chromium)) return true;
  if (process.env.REQUIRE_BROWSER === '1') throw new Error(`there is no ${chromium}`);
  console.warn(`SKIPPED: there is no ${chromium}`);
  return false;
}

/** Starts Chromium without a window. */
export function startChromium(): Promise<Browser> {
  const args = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-dev-shm-usage'];
  return puppeteer.launch({ executablePath: chromium, args, timeout: 60_000, protocolTimeout: 60_000 });
}
