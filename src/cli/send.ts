import { createHash } from 'node:crypto';
import type { SecureClient } from '../index.js';
import { parseAddress } from './shared/address.js';
import { announceServer } from './shared/announce.js';
import { type Command, parse } from './shared/arguments.js';
import { clientFlags, endpointFlags } from './shared/endpoint.js';
import { CommandError, exitCodes, lostConnection, usageError } from './shared/failure.js';
import { clientHelp, endpointHelp } from './shared/help.js';
import { type OutgoingFile, openFiles } from './shared/outgoing-files.js';
import { type Report, reportAs } from './shared/output.js';
import { formatBytes, progressOf } from './shared/progress.js';
import { stopSignal } from './shared/signals.js';
import { checkLetter, decodeMessage, encodeHeader, encodeMessage, printable } from './shared/transfer.js';
import { diallerFor } from './shared/trust.js';

/** `secure-sockets send`. */
export const send: Command = {
  name: 'send',
  summary: 'send files to a receive command',
  help: `Usage: secure-sockets send [OPTION]... FILE... ADDRESS

Sends files to "secure-sockets receive" at ADDRESS, one after another. Each is
checked there by its SHA-256 before it takes its name, and keeps its time of
change and permission bits; nothing that is there is overwritten. The first file
that is refused ends the command. FILE may be "-", standard input. On a terminal
it shows how far it is.

${clientHelp}  -r, --recursive         send folders with all that is in them, to a receive -r
      --no-preserve       do not send times of change and permission bits
      --name NAME         what standard input is to be called there

${endpointHelp}
Examples:
  pg_dump shop | secure-sockets send --name shop.sql - host:9000
  secure-sockets send --server-key SHA256:... photo.jpg notes.txt host:9000
`,
  run,
};

async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse('send', args, {
    ...endpointFlags,
    ...clientFlags,
    recursive: { type: 'boolean', short: 'r' },
    'no-preserve': { type: 'boolean' },
    name: { type: 'string' },
  });
  const text = positionals.at(-1);
  const paths = positionals.slice(0, -1);
  if (text === undefined || paths.length === 0)
    throw usageError('send takes at least one FILE, and then an ADDRESS', 'secure-sockets send --help');
  const address = parseAddress(text, 'connect');
  const report = reportAs(values);
  const files = await openFiles(paths, {
    recursive: values.recursive === true,
    preserve: !values['no-preserve'],
    name: values.name,
  });
  const stop = stopSignal();
  const { dial } = await diallerFor(address, values, stop);
  const client = await dial(stop);
  announceServer(client, address, report);
  const interrupt = (): void => client.destroy(stop.reason);
  stop.addEventListener('abort', interrupt, { once: true });
  try {
    for (const file of files) await sendFile(client, file, report);
    await client.end();
    await client.close();
  } catch (error) {
    client.destroy();
    throw lostConnection(error);
  } finally {
    stop.removeEventListener('abort', interrupt);
    await Promise.all(files.map((file) => file.close()));
  }
  return 0;
}

async function sendFile(client: SecureClient, file: OutgoingFile, report: Report): Promise<void> {
  const { path, header } = file;
  const begun = performance.now();
  await client.send(encodeHeader(header));
  await expectAnswer(client, 'A', path);
  const { sha256, bytes } = await sendContent(client, file, report).catch(async (error) => {
    // why the receiver broke off may be here already, unread
    await expectAnswer(client, 'K', path);
    throw error;
  });
  await expectAnswer(client, 'K', path);
  const seconds = (performance.now() - begun) / 1000;
  report.result(`sent ${path}, ${formatBytes(bytes)}, SHA-256 ${sha256}`, {
    event: 'sent',
    path,
    name: header.name,
    bytes,
    sha256,
    seconds,
  });
}

async function sendContent(
  client: SecureClient,
  file: OutgoingFile,
  report: Report,
): Promise<{ readonly sha256: string; readonly bytes: number }> {
  const { name, size } = file.header;
  const hash = createHash('sha256');
  const canvas = report.json ? { write: () => {} } : process.stderr;
  const progress = progressOf(name, size, canvas, () => performance.now());
  let bytes = 0;
  try {
    for await (const piece of file.pieces()) {
      hash.update(piece);
      await client.send(encodeMessage('D', piece));
      bytes += piece.length;
      progress.advance(piece.length);
    }
  } finally {
    progress.end();
  }
  const digest = hash.digest();
  await client.send(encodeMessage('H', digest));
  return { sha256: digest.toString('hex'), bytes };
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
