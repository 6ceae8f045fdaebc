// Photographs five pages of the built site, below a path of its own, and the page of npm run demo:web among them, on a
// desktop and on a phone, light and dark: npm run docs:site -- --base /some/path/; node scripts/screenshots.mjs
// Ends with exit code 1 if a page fails, loads something from elsewhere, or is wider than a phone.
import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { readArguments } from './lib/arguments.mjs';
import { haveChromium, startChromium } from './lib/chromium.mjs';
import { root } from './lib/root.mjs';

const pages = {
  home: '',
  'getting-started': 'docs/getting-started.html',
  protocol: 'docs/protocol.html',
  reference: 'reference/',
  playground: 'playground/',
};
const devices = {
  'desktop-light': { width: 1280, height: 900, scheme: 'light' },
  'phone-dark': { width: 390, height: 844, scheme: 'dark' },
};
const types = {
  ...{ '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.json': 'application/json' },
  ...{ '.svg': 'image/svg+xml', '.png': 'image/png', '.woff2': 'font/woff2' },
};

const usage = `Usage: node scripts/screenshots.mjs [options]

  --site FOLDER  the built site (reports/site)
  --base PATH    the path below which it is served (/secure-sockets/)
  --out FOLDER   where the pictures go (.ci/screenshots)`;

const { values } = readArguments(usage, {
  site: { type: 'string', default: join(root, 'reports/site') },
  base: { type: 'string', default: '/secure-sockets/' },
  out: { type: 'string', default: join(root, '.ci/screenshots') },
});
if (haveChromium()) await photographAll(values);

async function photographAll({ site, base, out }) {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const server = await serve(site, base);
  const origin = `http://127.0.0.1:${server.address().port}`;
  const browser = await startChromium();
  const problems = [];
  try {
    for (const [name, path] of Object.entries(pages))
      for (const [device, settings] of Object.entries(devices)) {
        const file = join(out, `${name}-${device}.png`);
        const found = await photograph(browser, `${origin}${base}${path}`, { ...settings, name, file });
        problems.push(...found.map((problem) => `${name}, ${device}: ${problem}`));
      }
  } finally {
    await browser.close();
    server.close();
  }
  for (const problem of problems) console.error(problem);
  console.log(`${Object.keys(pages).length} pages are in ${out}`);
  if (problems.length > 0) process.exitCode = 1;
}

async function photograph(browser, url, { name, file, width, height, scheme }) {
  const problems = [];
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('response', (response) => {
    if (response.status() >= 400) problems.push(`${response.status()} ${response.url()}`);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(new URL(url).origin) && !request.url().startsWith('data:'))
      problems.push(`loads ${request.url()}`);
  });
  await page.setViewport({ width, height });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
  await page.goto(url, { waitUntil: 'networkidle0' });
  if (name === 'playground') await play(page);
  const actual = await page.evaluate(() => document.documentElement.scrollWidth);
  if (actual > width) problems.push(`${actual} pixels wide, on a screen of ${width}`);
  await page.screenshot({ path: file, fullPage: name === 'playground' });
  await context.close();
  return problems;
}

// Both ends say something, and an impostor is refused.
async function play(page) {
  await page.waitForSelector('html[data-ready]');
  for (const end of ['client', 'server']) {
    await page.waitForSelector(`#${end}-text:enabled`);
    await page.$eval(`#${end}-form`, (form) => form.requestSubmit());
  }
  await page.waitForSelector('#wire li:nth-child(4)');
  await page.$eval('#pin-try', (button) => button.click());
  await page.waitForSelector('#pin-result .bad');
}

async function serve(site, base) {
  const server = createServer(({ url }, response) => {
    const { pathname } = new URL(url, 'http://localhost');
    const file = pathname.startsWith(base) ? fileOf(site, decodeURI(pathname.slice(base.length))) : undefined;
    if (file === undefined) return void response.writeHead(404).end();
    const type = types[extname(file)] ?? 'application/octet-stream';
    response.writeHead(200, { 'Content-Type': type }).end(readFileSync(file));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

function fileOf(site, path) {
  if (path.split('/').includes('..')) return undefined;
  const file = join(site, path);
  if (!existsSync(file)) return undefined;
  return statSync(file).isDirectory() ? fileOf(site, join(path, 'index.html')) : file;
}
