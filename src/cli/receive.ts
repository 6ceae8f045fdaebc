import { stat } from 'node:fs/promises';
import type { SecureClient, SecureServer } from '../index.js';
import { acceptUntil, stopAccepting } from './shared/accept.js';
import { formatPeer, parseAddress } from './shared/address.js';
import { announceClient, announceListening, turnAway } from './shared/announce.js';
import { type Command, onePositional, parse } from './shared/arguments.js';
import { closeCodes } from './shared/close-codes.js';
import { endpointFlags, serverFlags } from './shared/endpoint.js';
import { lostConnection, usageError } from './shared/failure.js';
import { makeServer } from './shared/file-server.js';
import { endpointHelp, listenHelp, serverHelp } from './shared/help.js';
import { IncomingFile, type IncomingOptions, Refusal } from './shared/incoming-file.js';
import { listenFlags, listenWhereFree } from './shared/listening.js';
import { type Report, reportAs } from './shared/output.js';
import { formatBytes, progressOf } from './shared/progress.js';
import { announceService } from './shared/service.js';
import { Hangup, stopSignal } from './shared/signals.js';
import {
  checkLetter,
  decodeHeader,
  decodeMessage,
  encodeMessage,
  type FileHeader,
} from './shared/transfer.js';

/** `secure-sockets receive`. */
export const receive: Command = {
  name: 'receive',
  summary: 'receive files from a send command',
  help: `Usage: secure-sockets receive [OPTION]... ADDRESS

Listens at ADDRESS for one "secure-sockets send" and puts the files that it
sends into the output folder, under the names it gives them. A file takes its
name when it has come whole and its SHA-256 is right; until then it has another,
and if it does not come so far, none. What is there is never overwritten. Names
with a dot in front are refused. Without --authorized-keys anybody who can reach ADDRESS may send.

${serverHelp}${listenHelp}  -o, --output FOLDER     where the files go, default the current folder
  -r, --recursive         take folders too; otherwise names with folders in them
                          are refused
      --no-preserve       do not keep the times of change and permission bits
  -k, --keep-open         serve any number of senders, side by side, until
                          stopped

${endpointHelp}
Examples:
  secure-sockets receive --identity key.pem --authorized-keys keys -o in :9000
`,
  run,
};

async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse('receive', args, {
    ...endpointFlags,
    ...serverFlags,
    ...listenFlags,
    output: { type: 'string', short: 'o' },
    'keep-open': { type: 'boolean', short: 'k' },
    recursive: { type: 'boolean', short: 'r' },
    'no-preserve': { type: 'boolean' },
  });
  const address = parseAddress(onePositional('receive', 'ADDRESS', positionals), 'listen');
  const folder = values.output ?? '.';
  if (!(await stat(folder)).isDirectory()) throw usageError(`${folder} is not a folder`);
  const report = reportAs(values);
  const hangup = values['keep-open'] ? new Hangup(report) : undefined;
  const { server, reload } = await makeServer(values, report);
  const stop = stopSignal(GRACE);
  await listenWhereFree(address, values, () => server.listen(address));
  announceListening(server, report);
  announceService(report, stop);
  hangup?.begin(reload);
  const takes = { recursive: values.recursive === true, preserve: !values['no-preserve'] };
  const inbox: Inbox = { server, folder, report, stop, takes };
  try {
    await (values['keep-open'] ? receiveMany(inbox) : receiveOne(inbox));
  } finally {
    await server.close();
  }
  return 0;
}

interface Inbox {
  readonly server: SecureServer;
  readonly folder: string;
  readonly report: Report;
  readonly stop: AbortSignal;
  /** Ends senders as soon as no file of theirs is under way. */
  readonly leave?: AbortSignal;
  readonly takes: IncomingOptions;
}

async function receiveOne(inbox: Inbox): Promise<void> {
  const { server, report, stop } = inbox;
  const client = await server.accept({ signal: stop });
  const turningAway = turnAway(server, report);
  await receiveFiles(client, inbox);
  await server.close();
  await turningAway;
}

/** How long files that are on their way may take to come after SIGTERM, in milliseconds. */
const GRACE = 5000;

/** A sender that fails is reported and harms no other. Stopped, it lets in no more and gives those that send some time. */
async function receiveMany(inbox: Inbox): Promise<void> {
  const { server, report, stop } = inbox;
  const receiving = new Set<Promise<void>>();
  const cut = new AbortController();
  for (;;) {
    const client = await acceptUntil(stop, server);
    if (client === undefined) break;
    const one = receiveFiles(client, { ...inbox, stop: cut.signal, leave: stop })
      .catch((error: unknown) => void report.failure(error))
      .finally(() => receiving.delete(one));
    receiving.add(one);
  }
  stopAccepting(server);
  const timer = setTimeout(() => cut.abort(stop.reason), GRACE);
  await Promise.all(receiving);
  clearTimeout(timer);
}

/** Receives until the sender has ended. */
async function receiveFiles(client: SecureClient, inbox: Inbox): Promise<void> {
  const { stop } = inbox;
  announceClient(client, inbox.report);
  const interrupt = (): void => client.destroy(stop.reason);
  stop.addEventListener('abort', interrupt, { once: true });
  try {
    for (;;) {
      const message = await nextFile(client, inbox.leave);
      if (message === null) break;
      const { letter, body } = decodeMessage(message);
      checkLetter(letter, 'F');
      await receiveFile(client, decodeHeader(body), inbox);
    }
    await client.close(closeOptions(client, inbox.leave));
  } catch (error) {
    if (error instanceof Refusal) await refuse(client, error);
    else client.destroy();
    throw lostConnection(error);
  } finally {
    stop.removeEventListener('abort', interrupt);
  }
}

/** What the sender says next; `null` at its end, or once it is to be left. */
async function nextFile(client: SecureClient, leave: AbortSignal | undefined): Promise<Uint8Array | null> {
  try {
    return await client.recv({ signal: leave });
  } catch (error) {
    if (leave?.aborted && error === leave.reason) return null;
    throw error;
  }
}

/** Classic has no codes. */
function closeOptions({ protocol }: SecureClient, leave: AbortSignal | undefined): { readonly code: number } {
  return { code: leave?.aborted && protocol === 'sealed' ? closeCodes.goingAway : 0 };
}

/** The sender is told why, and given the time to read it. */
async function refuse(client: SecureClient, refusal: Refusal): Promise<void> {
  await client.send(encodeMessage('R', refusal.reason)).catch(() => {});
  await client.close();
}

async function receiveFile(client: SecureClient, header: FileHeader, inbox: Inbox): Promise<void> {
  const begun = performance.now();
  const file = await IncomingFile.create(inbox.folder, header, inbox.takes);
  try {
    await client.send(encodeMessage('A'));
    await receiveContent(client, file, header, inbox.report);
    const path = await file.finish();
    await client.send(encodeMessage('K'));
    const { size } = file;
    inbox.report.result(`received ${path}, ${formatBytes(size)}, SHA-256 ${file.sha256}`, {
      event: 'received',
      path,
      bytes: size,
      sha256: file.sha256,
      peer: formatPeer(client),
      seconds: (performance.now() - begun) / 1000,
    });
  } finally {
    await file.discard();
  }
}

async function receiveContent(
  client: SecureClient,
  file: IncomingFile,
  { name, size }: FileHeader,
  report: Report,
): Promise<void> {
  const canvas = report.json ? { write: () => {} } : process.stderr;
  const progress = progressOf(name, size, canvas, () => performance.now());
  try {
    for (;;) {
      const { letter, body } = decodeMessage(await client.recv());
      if (letter === 'H') return await file.verify(body);
      checkLetter(letter, 'D');
      await file.write(body);
      progress.advance(body.length);
    }
  } finally {
    progress.end();
  }
}
