import { stat } from 'node:fs/promises';
import { onAbort } from '../connection/on-abort.js';
import type { SecureClient, SecureServer } from '../index.js';
import { acceptUntil, stopAccepting } from './shared/accept.js';
import { parseAddress } from './shared/address.js';
import { announceClient, turnAway } from './shared/announce.js';
import { type Command, onePositional, parse } from './shared/arguments.js';
import { closeCodes } from './shared/close-codes.js';
import { endpointFlags, serverFlags } from './shared/endpoint.js';
import { lostConnection, usageError } from './shared/failure.js';
import { makeServer } from './shared/file-server.js';
import { endpointHelp, listenHelp, serverHelp } from './shared/help.js';
import { type MadeFolders, makeFolder } from './shared/incoming-place.js';
import { type Inbox, receiveFile } from './shared/incoming-transfer.js';
import { listenFlags } from './shared/listening.js';
import { reportAs } from './shared/output.js';
import { type Progress, progressOn } from './shared/progress.js';
import { Refusal } from './shared/refusal.js';
import { listenSealed } from './shared/sealed-listening.js';
import { announceService } from './shared/service.js';
import { Hangup, stopSignal } from './shared/signals.js';
import { checkLetter, decodeFolder, decodeHeader, decodeMessage, encodeMessage } from './shared/transfer.js';

/** `secure-sockets receive`. */
export const receive: Command = {
  name: 'receive',
  summary: 'receive files from a send command',
  help: `Usage: secure-sockets receive [OPTION]... ADDRESS

Listens at ADDRESS for one "secure-sockets send" and stores the files that it
sends in the output folder, under the names that it gives. A file gets its name
when it has arrived completely and its SHA-256 is right; until then it has a
temporary name. Existing files are never overwritten. Names that begin with a
dot are refused. Without --authorized-keys any client that can reach ADDRESS may
send.

${serverHelp}${listenHelp}  -o, --output FOLDER     the output folder, default the current one
  -r, --recursive         accept folders too; otherwise names with folders in
                          them are refused
      --no-preserve       do not set modification times and permission bits
      --resume            keep the parts of broken transfers, for a send
                          --resume with the same key to continue
  -k, --keep-open         serve any number of senders, side by side, until
                          stopped

${endpointHelp}
Examples:
  secure-sockets receive --identity key.pem --authorized-keys keys -o in :9000
`,
  flags: () => ({ receive: flags }),
  run,
};

const flags = {
  ...endpointFlags,
  ...serverFlags,
  ...listenFlags,
  output: { type: 'string', short: 'o' },
  'keep-open': { type: 'boolean', short: 'k' },
  recursive: { type: 'boolean', short: 'r' },
  'no-preserve': { type: 'boolean' },
  resume: { type: 'boolean' },
} as const;

async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse('receive', args, flags);
  const address = parseAddress(onePositional('receive', 'ADDRESS', positionals), 'listen');
  const folder = values.output ?? '.';
  if (!(await stat(folder)).isDirectory()) throw usageError(`${folder} is not a folder`);
  const report = reportAs(values);
  const hangup = values['keep-open'] ? new Hangup(report) : undefined;
  const { server, reload } = await makeServer(values, report);
  const stop = stopSignal(GRACE);
  await listenSealed(server, address, values, report);
  announceService(report, stop);
  hangup?.begin(reload);
  const takes = {
    recursive: values.recursive === true,
    preserve: !values['no-preserve'],
    resume: values.resume === true,
  };
  const receiver: Receiver = { server, folder, report, stop, takes };
  try {
    await (values['keep-open'] ? receiveMany(receiver) : receiveOne(receiver));
  } finally {
    await server.close();
  }
  return 0;
}

interface Receiver extends Inbox {
  readonly server: SecureServer;
  readonly stop: AbortSignal;
  /** Ends each sender as soon as it is not in the middle of a file. */
  readonly leave?: AbortSignal;
}

async function receiveOne(receiver: Receiver): Promise<void> {
  const { server, report, stop } = receiver;
  const client = await server.accept({ signal: stop });
  const turningAway = turnAway(server, report);
  await receiveFiles(client, receiver);
  await server.close();
  await turningAway;
}

/** How long transfers in progress may take after SIGTERM, in milliseconds. */
const GRACE = 5000;

/**
 * A sender that fails is reported and does not affect the others. After a stop, no more are accepted, and transfers
 * in progress get some time.
 */
async function receiveMany(receiver: Receiver): Promise<void> {
  const { server, report, stop } = receiver;
  const receiving = new Set<Promise<void>>();
  const cut = new AbortController();
  for (;;) {
    const client = await acceptUntil(stop, server);
    if (client === undefined) break;
    const one = receiveFiles(client, { ...receiver, stop: cut.signal, leave: stop })
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
async function receiveFiles(client: SecureClient, receiver: Receiver): Promise<void> {
  const { stop, report } = receiver;
  const progress = progressOn(report.json ? { write: () => {} } : process.stderr, () => performance.now());
  const made: MadeFolders = new Set();
  announceClient(client, receiver.report);
  const interrupt = (): void => client.destroy(stop.reason);
  const unfollow = onAbort(stop, interrupt);
  try {
    for (;;) {
      const message = await nextFile(client, receiver.leave);
      if (message === null) break;
      await receiveNext(client, message, { ...receiver, progress, made });
    }
    await client.close(closeOptions(client, receiver.leave));
  } catch (error) {
    if (error instanceof Refusal) await refuse(client, error);
    else client.destroy();
    throw lostConnection(error);
  } finally {
    unfollow();
  }
}

/** A folder, or the announcement of a file, whose content follows. */
async function receiveNext(
  client: SecureClient,
  message: Uint8Array,
  inbox: Inbox & { readonly progress: Progress; readonly made: MadeFolders },
): Promise<void> {
  const { letter, body } = decodeMessage(message);
  if (letter === 'M') {
    await makeFolder(inbox.folder, decodeFolder(body), inbox.made, inbox.takes);
    await client.send(encodeMessage('K'));
  } else {
    checkLetter(letter, 'F');
    await receiveFile(client, decodeHeader(body), inbox.progress, inbox);
  }
}

/** The sender's next message; `null` when it has ended, or is to be left. */
async function nextFile(client: SecureClient, leave: AbortSignal | undefined): Promise<Uint8Array | null> {
  try {
    return await client.recv({ signal: leave });
  } catch (error) {
    if (leave?.aborted && error === leave.reason) return null;
    throw error;
  }
}

/** Classic has no close codes. */
function closeOptions({ protocol }: SecureClient, leave: AbortSignal | undefined): { readonly code: number } {
  return { code: leave?.aborted && protocol === 'sealed' ? closeCodes.goingAway : 0 };
}

/** Sends the reason, and waits until the sender has read it. */
async function refuse(client: SecureClient, refusal: Refusal): Promise<void> {
  await client.send(encodeMessage('R', refusal.reason)).catch(() => {});
  await client.close();
}
