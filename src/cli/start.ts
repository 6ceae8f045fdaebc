#!/usr/bin/env node
import * as module from 'node:module';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

// Node 22.8 and later keep compiled code between runs. Not in Node's own default, a folder below the system's temporary
// one: there other users could put compiled code that this user would run.
const folder = cacheFolder();
if (folder !== undefined && 'enableCompileCache' in module)
  (module.enableCompileCache as (directory: string) => unknown)(join(folder, 'secure-sockets'));
await import('./main.js');

function cacheFolder(): string | undefined {
  const { XDG_CACHE_HOME } = process.env;
  if (XDG_CACHE_HOME !== undefined && isAbsolute(XDG_CACHE_HOME)) return XDG_CACHE_HOME;
  try {
    const home = homedir();
    return home === '' ? undefined : join(home, '.cache');
  } catch {
    // a user whom the system does not know has none
    return undefined;
  }
}
