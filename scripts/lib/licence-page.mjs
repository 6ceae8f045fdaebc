// A plugin of Vite that writes the licences of what the site bundles to licences.html.
import { readFileSync } from 'node:fs';
import { licencesIn } from '../../examples/web/licences.mjs';

const before = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Licences</title>
<style>:root { color-scheme: light dark } pre { white-space: pre-wrap }</style>
<p>What these pages bundle. <a href="playground/licences.txt">What the playground bundles</a>. <a href="./">Back</a></p>
<pre>`;

export function licencePage() {
  return {
    name: 'licence-page',
    // the other build is for the machine that builds
    apply: (_config, { isSsrBuild }) => !isSsrBuild,
    generateBundle(_options, bundle) {
      const chunks = Object.values(bundle).filter(({ type }) => type === 'chunk');
      const modules = chunks.flatMap((chunk) => Object.keys(chunk.modules));
      // a part of a component has the component's path and a query
      const paths = new Set(modules.map((id) => id.split('?')[0]));
      const styles = [...paths].filter((path) => /\.(css|vue)$/.test(path));
      const notes = new Set(styles.flatMap((path) => notesIn(readFileSync(path, 'utf8'))));
      const text = [licencesIn(modules), ...notes].join('\n');
      this.emitFile({
        type: 'asset',
        fileName: 'licences.html',
        source: `${before}${escaped(text)}</pre>\n`,
      });
    },
  };
}

/** What a file says of parts that it has from elsewhere, such as icons. */
function notesIn(text) {
  const comments = text.match(/\/\*[\s\S]*?\*\//g) ?? [];
  return comments.filter((comment) => /\bunder (the )?(ISC|MIT|CC0|OFL|Apache|BSD)\b/.test(comment));
}

function escaped(text) {
  return text.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`);
}
