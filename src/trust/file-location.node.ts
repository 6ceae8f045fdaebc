import { fileURLToPath } from 'node:url';

/** A file that an option names: `{ path }`, or a `file:` URL. */
export interface FileOption {
  /** Where the file is: a path, or a `file:` URL. */
  readonly path: string | URL;
}

/** The path of a file that an option names. */
export function pathOf(file: FileOption | URL | string): string {
  if (typeof file === 'string') return file;
  return 'path' in file ? pathOf(file.path) : fileURLToPath(file);
}
