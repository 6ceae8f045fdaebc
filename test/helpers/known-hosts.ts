// A file of known hosts for each test, and a way to step in at the moment it is opened: a file that imports this one
// has to mock node:fs/promises.

import * as fs from 'node:fs/promises';
import { type FileHandle, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, vi } from 'vitest';
import { KnownHosts } from '../../src/trust/known-hosts.node.js';

export const first = `SHA256:${'A'.repeat(43)}`;
export const second = `SHA256:${'B'.repeat(42)}A`;
export const third = `SHA256:${'C'.repeat(42)}A`;
export let directory: string;
export let path: string;
export let hosts: KnownHosts;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'known-hosts-'));
  path = join(directory, 'known_hosts');
  hosts = new KnownHosts(path);
});

afterEach(async () => {
  vi.useRealTimers();
  const { open } = await vi.importActual<typeof fs>('node:fs/promises');
  vi.mocked(fs.open).mockImplementation(open);
  await rm(directory, { recursive: true });
});

/** Lets something happen to a file between the moment it is opened and the next; a new one beside it may be refused. */
export async function whenOpened(
  target: string,
  happen: (file: FileHandle) => Promise<void>,
  refusal?: Error,
): Promise<void> {
  const { open } = await vi.importActual<typeof fs>('node:fs/promises');
  let isDone = false;
  vi.mocked(fs.open).mockImplementation(async (...parameters) => {
    if (refusal !== undefined && parameters[0] === `${target}.new`) throw refusal;
    const file = await open(...parameters);
    if (isDone || parameters[0] !== target || typeof parameters[1] !== 'number') return file;
    isDone = true;
    await happen(file);
    return file;
  });
}
