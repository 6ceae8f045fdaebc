import type { SecureServer } from '../index.js';
import { parseAddress } from './shared/address.js';
import { announceClient, turnAway } from './shared/announce.js';
import { type Command, onePositional, parse } from './shared/arguments.js';
import { converse, type DialogueOptions } from './shared/dialogue.js';
import { endpointFlags, serverFlags } from './shared/endpoint.js';
import { makeServer } from './shared/file-server.js';
import { openPipes, type Pipes } from './shared/framing.js';
import { endpointHelp, inputHelp, listenHelp, serverHelp } from './shared/help.js';
import { GRACE, serveMany } from './shared/keep-open.js';
import { listenFlags } from './shared/listening.js';
import { type Report, reportAs } from './shared/output.js';
import { inputFlags, inputOptions } from './shared/pipes.js';
import { listenSealed } from './shared/sealed-listening.js';
import { announceService } from './shared/service.js';
import { Hangup, stopSignal } from './shared/signals.js';

/** `secure-sockets listen`. */
export const listen: Command = {
  name: 'listen',
  summary: 'wait for a client, and carry standard input and output',
  help: `Usage: secure-sockets listen [OPTION]... ADDRESS

Listens at ADDRESS (HOST:PORT, [IPV6]:PORT, :PORT for every address, unix:PATH
or /PATH; port 0 is any free one), reports that on standard error with the
fingerprint of its key, and serves one client: writes what it sends to standard
output, and sends it standard input. Ends when the client has ended or closed
and there is no more input. Without --identity a key is made for this run only.

${serverHelp}${listenHelp}  -k, --keep-open         serve any number of clients, side by side, until
                          stopped. Input is sent to all of them; what they send
                          is written message by message as it arrives
${inputHelp}
${endpointHelp}
Examples:
  secure-sockets keygen -o key.pem
  secure-sockets listen --identity key.pem 127.0.0.1:9000 > out
  secure-sockets listen -k --identity key.pem --authorized-keys keys \\
    :9000 >> log
  secure-sockets listen --websocket --identity key.pem 127.0.0.1:9000
`,
  flags: () => ({ listen: flags }),
  run,
};

const flags = {
  ...endpointFlags,
  ...serverFlags,
  ...listenFlags,
  ...inputFlags,
  'keep-open': { type: 'boolean', short: 'k' },
} as const;

async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse('listen', args, flags);
  const address = parseAddress(onePositional('listen', 'ADDRESS', positionals), 'listen');
  const { messageSize, wait } = inputOptions(values);
  const report = reportAs(values);
  const stop = stopSignal(values['keep-open'] ? GRACE : 0);
  const hangup = values['keep-open'] ? new Hangup(report) : undefined;
  const { server, reload } = await makeServer(values, report);
  await listenSealed(server, address, values, report);
  announceService(report, stop);
  hangup?.begin(reload);
  const open = (): Pipes => openPipes(messageSize, values.messages);
  try {
    if (values['keep-open']) await serveMany({ server, ...open(), report, stop });
    else await serveOne(server, open, report, { stop, wait, isServer: true });
  } finally {
    await server.close();
  }
  return 0;
}

async function serveOne(
  server: SecureServer,
  open: () => Pipes,
  report: Report,
  options: DialogueOptions,
): Promise<void> {
  const client = await server.accept({ signal: options.stop });
  announceClient(client, report);
  const turningAway = turnAway(server, report);
  const { input, output } = open();
  await converse(client, input, output, options);
  await server.close();
  await turningAway;
}
