#!/usr/bin/env node
import * as module from 'node:module';
import { join } from 'node:path';
import { folderAtHome } from './shared/home.js';

// Node 22.8 and later keep compiled code between runs. Not in Node's own default, a folder below the system's temporary
// one: there other users could put compiled code that this user would run.
const folder = folderAtHome([process.env.XDG_CACHE_HOME], '.cache');
if (folder !== undefined && 'enableCompileCache' in module)
  (module.enableCompileCache as (directory: string) => unknown)(join(folder, 'secure-sockets'));
// nothing waits at the top level, so that a bundler can make a CommonJS file of the command
void import('./main.js');
