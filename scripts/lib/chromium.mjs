import { existsSync } from 'node:fs';
import puppeteer from 'puppeteer-core';

const executablePath = '/usr/bin/chromium';

export function haveChromium() {
  if (existsSync(executablePath)) return true;
  if (process.env.REQUIRE_BROWSER === '1') throw new Error(`there is no ${executablePath}`);
  console.warn(`SKIPPED: there is no ${executablePath}`);
  return false;
}

export function startChromium() {
  const args = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-dev-shm-usage'];
  return puppeteer.launch({ executablePath, args, timeout: 60_000, protocolTimeout: 60_000 });
}
