import type { SecureClient } from '../index.js';
import { parsePeerAddress } from './shared/address.js';
import { announceServer } from './shared/announce.js';
import { type Command, parse } from './shared/arguments.js';
import { clientFlags, endpointFlags } from './shared/endpoint.js';
import { lostConnection, usageError } from './shared/failure.js';
import { checkFiles } from './shared/file-flags.js';
import { clientHelp, endpointHelp } from './shared/help.js';
import { findFiles, type OutgoingFile } from './shared/outgoing-files.js';
import { sendFile, sendFolder } from './shared/outgoing-transfer.js';
import { type Report, reportAs } from './shared/output.js';
import { type Progress, progressOn } from './shared/progress.js';
import { stopSignal } from './shared/signals.js';
import { diallerFor } from './shared/trust.js';

/** `secure-sockets send`. */
export const send: Command = {
  name: 'send',
  summary: 'send files to a receive command',
  help: `Usage: secure-sockets send [OPTION]... FILE... ADDRESS

Sends files to "secure-sockets receive" at ADDRESS, an address as of connect,
one after another. There the SHA-256 of each is checked before it gets its name;
files and folders keep their modification times and permission bits, and what
exists is not overwritten. The first file that is refused ends the command. FILE
may be "-", standard input. On a terminal the command shows its progress.

${clientHelp}  -r, --recursive         send folders with everything in them, to a receive -r
      --no-preserve       do not send modification times and permission bits
      --resume            continue a broken transfer to a receive --resume, if
                          the part there is the beginning of the file
      --name NAME         the name for standard input at the receiver

${endpointHelp}
Examples:
  pg_dump shop | secure-sockets send --name shop.sql - host:9000
  secure-sockets send --server-key SHA256:... photo.jpg notes.txt host:9000
`,
  flags: () => ({ send: flags }),
  run,
};

const flags = {
  ...endpointFlags,
  ...clientFlags,
  recursive: { type: 'boolean', short: 'r' },
  'no-preserve': { type: 'boolean' },
  resume: { type: 'boolean' },
  name: { type: 'string' },
} as const;

async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse('send', args, flags);
  const text = positionals.at(-1);
  const paths = positionals.slice(0, -1);
  if (text === undefined || paths.length === 0)
    throw usageError('send takes at least one FILE, and then an ADDRESS', 'secure-sockets send --help');
  if (paths.includes('-')) checkFiles(values, { '"-"': '/dev/stdin' });
  const address = parsePeerAddress(text);
  const report = reportAs(values);
  const files = await findFiles(paths, {
    recursive: values.recursive === true,
    preserve: !values['no-preserve'],
    name: values.name,
    resume: values.resume === true,
  });
  const progress = progressOn(report.json ? { write: () => {} } : process.stderr, () => performance.now());
  const stop = stopSignal();
  const { dial } = await diallerFor(address, values, stop);
  const client = await dial(stop);
  announceServer(client, address, report);
  const interrupt = (): void => client.destroy(stop.reason);
  stop.addEventListener('abort', interrupt, { once: true });
  try {
    for (const one of files) {
      if ('folder' in one) await sendFolder(client, one);
      else await sendOne(client, one, progress, report);
    }
    await client.end();
    await client.close();
  } catch (error) {
    client.destroy();
    throw lostConnection(error);
  } finally {
    stop.removeEventListener('abort', interrupt);
    progress.wipe();
  }
  return 0;
}

async function sendOne(
  client: SecureClient,
  file: OutgoingFile,
  progress: Progress,
  report: Report,
): Promise<void> {
  const open = await file.open();
  await sendFile(client, open, progress, report).finally(() => open.close());
}
