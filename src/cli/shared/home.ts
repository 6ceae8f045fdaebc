import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/**
 * The first of the folders that is an absolute path, or `name` in the home folder. A user unknown to the system, as
 * in a container, has none.
 */
export function folderAtHome(folders: readonly (string | undefined)[], name: string): string | undefined {
  return [...folders, inHome(name)].find((one) => one !== undefined && isAbsolute(one));
}

function inHome(name: string): string | undefined {
  try {
    return join(homedir(), name);
  } catch {
    return undefined;
  }
}
