import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import type { SecureClient } from '../index.js';
import { parseAddress } from './shared/address.js';
import { announceServer } from './shared/announce.js';
import { type Command, parse } from './shared/arguments.js';
import { clientFlags, endpointFlags } from './shared/endpoint.js';
import { CommandError, exitCodes, lost, usageError } from './shared/failure.js';
import { clientHelp, endpointHelp } from './shared/help.js';
import { type Report, reportAs } from './shared/output.js';
import { formatBytes, progressOf } from './shared/progress.js';
import { stopSignal } from './shared/signals.js';
import {
  checkLetter,
  decodeMessage,
  encodeHeader,
  encodeMessage,
  PIECE,
  printable,
} from './shared/transfer.js';
import { diallerFor } from './shared/trust.js';

/** `secure-sockets send`. */
export const send: Command = {
  name: 'send',
  summary: 'send files to a receive command',
  help: `Usage: secure-sockets send [OPTION]... FILE... ADDRESS

Sends files to "secure-sockets receive" at ADDRESS, one after another. Each is
checked there by its SHA-256 before it takes its name. Only names are sent, no
folders; nothing that is there is overwritten. The first file that is refused
ends the command. On a terminal it shows how far it is.

${clientHelp}
${endpointHelp}
Examples:
  secure-sockets send --server-key SHA256:... photo.jpg notes.txt host:9000
`,
  run,
};

async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse('send', args, { ...endpointFlags, ...clientFlags });
  const text = positionals.at(-1);
  const paths = positionals.slice(0, -1);
  if (text === undefined || paths.length === 0)
    throw usageError('send takes at least one FILE, and then an ADDRESS', 'secure-sockets send --help');
  const address = parseAddress(text, 'connect');
  const report = reportAs(values);
  const files = await openFiles(paths);
  const stop = stopSignal();
  const client = await (await diallerFor(address, values, stop))(stop);
  announceServer(client, address, report);
  const interrupt = (): void => client.destroy(stop.reason);
  stop.addEventListener('abort', interrupt, { once: true });
  try {
    for (const file of files) await sendFile(client, file, report);
    await client.end();
    await client.close();
  } catch (error) {
    client.destroy();
    throw lost(error);
  } finally {
    stop.removeEventListener('abort', interrupt);
    await Promise.all(files.map(({ handle }) => handle.close()));
  }
  return 0;
}

interface OpenFile {
  readonly path: string;
  readonly name: string;
  readonly size: number;
  readonly handle: FileHandle;
}

/** All of them before anything is sent: a missing file is found out at once. */
async function openFiles(paths: readonly string[]): Promise<OpenFile[]> {
  const files: OpenFile[] = [];
  for (const path of paths) {
    const handle = await open(path, 'r');
    const stats = await handle.stat();
    if (!stats.isFile())
      throw usageError(
        `${path} is not a regular file`,
        `for folders: tar c ${path} | secure-sockets connect ADDRESS`,
      );
    files.push({ path, name: basename(path), size: stats.size, handle });
  }
  return files;
}

async function sendFile(client: SecureClient, file: OpenFile, report: Report): Promise<void> {
  const { path, name, size } = file;
  const begun = performance.now();
  await client.send(encodeHeader({ name, size }));
  await expectAnswer(client, 'A', path);
  const sha256 = await sendContent(client, file, report).catch(async (error) => {
    // why the receiver broke off may be here already, unread
    await expectAnswer(client, 'K', path);
    throw error;
  });
  await expectAnswer(client, 'K', path);
  const seconds = (performance.now() - begun) / 1000;
  report.result(`sent ${path}, ${formatBytes(size)}, SHA-256 ${sha256}`, {
    event: 'sent',
    path,
    name,
    bytes: size,
    sha256,
    seconds,
  });
}

async function sendContent(client: SecureClient, file: OpenFile, report: Report): Promise<string> {
  const { path, name, size, handle } = file;
  const hash = createHash('sha256');
  const progress = progressOf(name, size, report.json ? { write: () => {} } : process.stderr, () =>
    performance.now(),
  );
  try {
    for (let at = 0; at < size; ) {
      const piece = await readPiece(handle, at, Math.min(PIECE, size - at), path);
      hash.update(piece.subarray(1));
      await client.send(piece);
      at += piece.length - 1;
      progress.advance(piece.length - 1);
    }
  } finally {
    progress.end();
  }
  const digest = hash.digest();
  await client.send(encodeMessage('H', digest));
  return digest.toString('hex');
}

/** A message with the next bytes of a file, which must be as long as it was when it was announced. */
async function readPiece(handle: FileHandle, at: number, length: number, path: string): Promise<Uint8Array> {
  const message = new Uint8Array(1 + length);
  message[0] = 'D'.charCodeAt(0);
  const { bytesRead } = await handle.read(message, 1, length, at);
  if (bytesRead > 0) return message.subarray(0, 1 + bytesRead);
  throw new CommandError(exitCodes.damaged, `${path} became shorter while it was sent`);
}

async function expectAnswer(client: SecureClient, expected: 'A' | 'K', path: string): Promise<void> {
  const { letter, body } = decodeMessage(await client.recv());
  if (letter === 'R') {
    const reason = printable(new TextDecoder().decode(body.subarray(0, 1024)));
    const exitCode = expected === 'A' ? exitCodes.usage : exitCodes.damaged;
    throw new CommandError(exitCode, `the receiver refused ${path}: ${reason}`);
  }
  checkLetter(letter, expected);
}
