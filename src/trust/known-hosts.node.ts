import { resolve } from 'node:path';
import { isUrl } from '../arguments.js';
import { badOption, kindOf } from '../errors.js';
import { type FileOption, pathOf } from '../files.node.js';
import { FileLines } from './file-lines.node.js';
import { type ModeOption, PortableKnownHosts, type StoredHosts } from './known-hosts.js';

/** A file of known hosts: its path or `file:` URL, alone or with what to do with servers that are not in it. */
export type KnownHostsFile = string | URL | (FileOption & ModeOption);

/** Where known hosts are kept: in a file, or where a program keeps them. */
export type KnownHostsSource = KnownHostsFile | StoredHosts;

/**
 * Servers and the keys they had (docs/protocol.md, E4), in lines `host port SHA256:... [comment]`: in a file, which other
 * processes may use as well, or wherever a program keeps them. A file that is not there yet is an empty one.
 */
export class KnownHosts extends PortableKnownHosts {
  /** Throws BAD_OPTION. Nothing is read yet. */
  constructor(source: KnownHostsSource) {
    if (isFile(source)) super(modeIn(source), { store: new FileLines(pathOf(source, ['mode'])), socketPath });
    else if (typeof source === 'object' && source !== null) super(source);
    else
      throw badOption(
        `known hosts are kept in a file (its path, file: URL or { path }), { load, save } or { storage }, not in ${kindOf(source)}`,
      );
  }
}

function isFile(source: KnownHostsSource): source is KnownHostsFile {
  if (typeof source !== 'object' || source === null) return typeof source === 'string';
  return isUrl(source) || 'path' in source;
}

function modeIn(source: KnownHostsFile): ModeOption {
  return typeof source === 'object' && 'mode' in source ? { mode: source.mode } : {};
}

/** A relative path is one of this process's folder; the name of an abstract socket is no path. */
function socketPath(path: string): string {
  return path.startsWith('\0') ? path : resolve(path);
}
