import { createHash, type Hash } from 'node:crypto';
import { quote } from '../../errors.js';
import type { SecureClient } from '../../index.js';
import { CommandError, exitCodes } from './failure.js';
import type { OpenFile, OutgoingFolder } from './outgoing-files.js';
import type { Report } from './output.js';
import { formatBytes, type Progress } from './progress.js';
import {
  checkLetter,
  decodeCount,
  decodeMessage,
  encodeFolder,
  encodeHeader,
  encodeMessage,
  type Letter,
} from './transfer.js';

/** Sends one file, and says so. Rejects unless the receiver has it whole and in its place. */
export async function sendFile(
  client: SecureClient,
  file: OpenFile,
  progress: Progress,
  report: Report,
): Promise<void> {
  const { path, header } = file;
  const begun = performance.now();
  progress.begin(header);
  await client.send(encodeHeader(header));
  const start = await agreeOnStart(client, file);
  if (start === undefined) {
    progress.skip(header.size ?? 0);
    progress.wipe();
    report.result(`there already: ${path}`, {
      event: 'sent',
      path,
      name: header.name,
      bytes: 0,
      resumedAt: header.size,
    });
    return;
  }
  progress.skip(start.at);
  const { sha256, bytes } = await sendContent(client, file, start, progress);
  await expectAnswer(client, ['K'], path);
  const seconds = (performance.now() - begun) / 1000;
  progress.wipe();
  const resumed = start.at === 0 ? '' : `, resumed at ${formatBytes(start.at)}`;
  report.result(`sent ${path}, ${formatBytes(start.at + bytes)}, SHA-256 ${sha256}${resumed}`, {
    event: 'sent',
    path,
    name: header.name,
    bytes: start.at + bytes,
    ...(start.at > 0 && { resumedAt: start.at }),
    sha256,
    seconds,
  });
}

/** Sends what a folder is to be like. Rejects unless the receiver has one of that name. */
export async function sendFolder(client: SecureClient, { path, folder }: OutgoingFolder): Promise<void> {
  await client.send(encodeFolder(folder));
  await expectAnswer(client, ['K'], path, exitCodes.usage);
}

/** From where on a file is sent, with the hash of what is before. */
interface Start {
  readonly at: number;
  readonly hash: Hash;
}

/** Shows the receiver that the part it has is one of this file. `undefined`: it has all of it. */
async function agreeOnStart(client: SecureClient, file: OpenFile): Promise<Start | undefined> {
  const whole = { at: 0, hash: createHash('sha256') };
  const { body } = await expectAnswer(client, ['A'], file.path);
  if (body.length === 0) return whole;
  const held = decodeCount(body);
  const hash = await file.hashStart(held);
  await client.send(encodeMessage('P', hash?.copy().digest()));
  const answer = await expectAnswer(client, ['A', 'K'], file.path);
  if (answer.letter === 'K') return undefined;
  const at = decodeCount(answer.body);
  if (at === 0) return whole;
  if (hash === undefined || at !== held)
    throw new CommandError(
      exitCodes.damaged,
      `the receiver has ${held} bytes of ${file.path}, and asks for those from ${at} on`,
    );
  return { at, hash };
}

async function sendContent(
  client: SecureClient,
  file: OpenFile,
  { at, hash }: Start,
  progress: Progress,
): Promise<{ readonly sha256: string; readonly bytes: number }> {
  let bytes = 0;
  for await (const piece of file.pieces(at)) {
    hash.update(piece);
    await sendPiece(client, encodeMessage('D', piece), file.path);
    bytes += piece.length;
    progress.advance(piece.length);
  }
  const digest = hash.digest();
  await sendPiece(client, encodeMessage('H', digest), file.path);
  return { sha256: digest.toString('hex'), bytes };
}

/** Why the receiver broke off may be here already, unread. */
async function sendPiece(client: SecureClient, message: Uint8Array, path: string): Promise<void> {
  await client.send(message).catch(async (error: unknown) => {
    await expectAnswer(client, ['K'], path);
    throw error;
  });
}

async function expectAnswer(
  client: SecureClient,
  expected: readonly [Letter, ...Letter[]],
  path: string,
  exitCode: number = expected[0] === 'A' ? exitCodes.usage : exitCodes.damaged,
): Promise<{ readonly letter: string; readonly body: Uint8Array }> {
  const answer = decodeMessage(await client.recv());
  const { letter, body } = answer;
  if (letter === 'R') {
    const reason = quote(new TextDecoder().decode(body.subarray(0, 1024)));
    throw new CommandError(exitCode, `the receiver refused ${path}: ${reason}`);
  }
  if (!expected.includes(letter as Letter)) checkLetter(letter, expected[0]);
  return answer;
}
