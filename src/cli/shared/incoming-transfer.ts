import { open } from 'node:fs/promises';
import type { SecureClient } from '../../index.js';
import { formatPeer } from './address.js';
import { hashStart } from './file-hash.js';
import { IncomingFile, type IncomingOptions } from './incoming-file.js';
import { type IncomingPlace, placeOf, sizeAt } from './incoming-place.js';
import type { Report } from './output.js';
import { formatBytes, type Progress } from './progress.js';
import { existingFile, Refusal, store } from './refusal.js';
import { checkLetter, decodeMessage, encodeCount, encodeMessage, type FileHeader } from './transfer.js';

/** Where files go, and how. */
export interface Inbox {
  readonly folder: string;
  readonly report: Report;
  readonly takes: IncomingOptions;
}

/**
 * Receives one file, and says so. Rejects with a {@link Refusal} if it is not taken.
 *
 * The order is what makes it safe to be cut anywhere. The file is written under another name, checked against the
 * sender's hash, brought to the disk, and only then gets its name; the sender is told last. Cut before the name,
 * there is no file, or a part to resume; cut after it, the sender does not know, and asks again when it resumes
 * (`confirmThere`).
 */
export async function receiveFile(
  client: SecureClient,
  header: FileHeader,
  progress: Progress,
  { folder, report, takes }: Inbox,
): Promise<void> {
  const { name } = header;
  const begun = performance.now();
  const place = await placeOf(folder, name, client.peer?.fingerprint ?? '', takes.recursive);
  const size = await sizeAt(place);
  progress.begin(header);
  if (size !== undefined) {
    await confirmThere(client, header, place, size, takes);
    progress.skip(size);
    return;
  }
  const file = await IncomingFile.create(place, header, takes);
  let keeps = false;
  try {
    const resumedAt = await agreeOnStart(client, file);
    progress.skip(resumedAt);
    await receiveContent(client, file, progress);
    const path = await file.finish();
    await client.send(encodeMessage('K'));
    progress.wipe();
    const seconds = (performance.now() - begun) / 1000;
    reportReceived(file, { path, resumedAt, peer: formatPeer(client), seconds }, report);
  } catch (error) {
    // what was refused would be refused again
    keeps = !(error instanceof Refusal);
    throw error;
  } finally {
    progress.wipe();
    await file.end(keeps);
  }
}

/** How a file was received. */
interface Received {
  readonly path: string;
  readonly resumedAt: number;
  readonly peer: string;
  readonly seconds: number;
}

function reportReceived({ size, sha256 }: IncomingFile, received: Received, report: Report): void {
  const { path, resumedAt, peer, seconds } = received;
  const resumed = resumedAt === 0 ? '' : `, resumed at ${formatBytes(resumedAt)}`;
  report.result(`received ${path}, ${formatBytes(size)}, SHA-256 ${sha256}${resumed}`, {
    event: 'received',
    path,
    bytes: size,
    ...(resumedAt > 0 && { resumedAt }),
    sha256,
    peer,
    seconds,
  });
}

/** Lets the sender prove that what is there is a part of its file. Resolves to the number of bytes that need not come. */
async function agreeOnStart(client: SecureClient, file: IncomingFile): Promise<number> {
  const held = file.size;
  if (held === 0) {
    await client.send(encodeMessage('A'));
    return 0;
  }
  await client.send(encodeMessage('A', encodeCount(held)));
  const [proof, sha256] = await Promise.all([receiveProof(client), file.hashPart()]);
  if (!isEqual(proof, sha256)) await file.restart();
  await client.send(encodeMessage('A', encodeCount(file.size)));
  return file.size;
}

/** A sender that resumes may not know that all has arrived. Throws a {@link Refusal} unless that is so. */
async function confirmThere(
  client: SecureClient,
  { name, size, resume }: FileHeader,
  { path }: IncomingPlace,
  actual: number,
  takes: IncomingOptions,
): Promise<void> {
  if (!takes.resume || !resume || size !== actual) throw existingFile(name);
  await client.send(encodeMessage('A', encodeCount(actual)));
  const [proof, sha256] = await Promise.all([receiveProof(client), store(name, hashAt(path, actual))]);
  if (!isEqual(proof, sha256)) throw existingFile(name);
  await client.send(encodeMessage('K'));
}

async function receiveProof(client: SecureClient): Promise<Uint8Array> {
  const { letter, body } = decodeMessage(await client.recv());
  checkLetter(letter, 'P');
  return body;
}

async function hashAt(path: string, size: number): Promise<Uint8Array> {
  const handle = await open(path);
  try {
    return (await hashStart(handle, size)).digest();
  } finally {
    await handle.close();
  }
}

/** Not secret: the sender may know both. */
function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

async function receiveContent(client: SecureClient, file: IncomingFile, progress: Progress): Promise<void> {
  for (;;) {
    const { letter, body } = decodeMessage(await client.recv());
    if (letter === 'H') return await file.verify(body);
    checkLetter(letter, 'D');
    await file.write(body);
    progress.advance(body.length);
  }
}
