// Makes the package for JSR: npm run jsr
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readArguments } from './lib/arguments.mjs';
import { writeJsrPackage } from './lib/jsr.mjs';
import { root } from './lib/root.mjs';

readArguments('Usage: npm run jsr');
const folder = join(root, 'reports/jsr');
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
writeJsrPackage(folder);
console.log(`written: ${folder}\nto try it: deno publish --dry-run, in that folder`);
