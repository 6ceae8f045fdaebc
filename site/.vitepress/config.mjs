import { readFileSync } from 'node:fs';
import { defineConfig } from 'vitepress';
import { licencePage } from '../../scripts/lib/licence-page.mjs';

const { sidebar } = JSON.parse(readFileSync(new URL('../content/pages.json', import.meta.url), 'utf8'));
const { version, description } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
);

export default defineConfig({
  title: 'secure-sockets',
  description,
  srcDir: 'content',
  lang: 'en',
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  cleanUrls: false,
  // the pages are checked by the tests of the project; a link that leads nowhere here is a mistake of the staging
  ignoreDeadLinks: false,
  themeConfig: {
    nav: [
      { text: 'Start', link: '/docs/getting-started' },
      { text: 'API', link: '/reference/' },
      { text: 'Protocol', link: '/docs/protocol' },
      // a page of its own, which the router does not know
      { text: 'Playground', link: '/playground/', target: '_self' },
      { text: version, link: '/CHANGELOG' },
    ],
    sidebar,
    outline: [2, 3],
    search: {
      provider: 'local',
      // pages that were written for readers before those of the reference, which repeat each name many times
      options: {
        miniSearch: {
          searchOptions: { boostDocument: (id) => (id.includes('/reference/') ? 0.1 : 1) },
        },
      },
    },
  },
  // an API reference has generics, which Vue would take for elements
  markdown: { html: true },
  vite: { plugins: [licencePage()] },
});
