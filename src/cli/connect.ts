import { parsePeerAddress } from './shared/address.js';
import { announceServer } from './shared/announce.js';
import { type Command, onePositional, parse } from './shared/arguments.js';
import { converse } from './shared/dialogue.js';
import { clientFlags, endpointFlags } from './shared/endpoint.js';
import { openPipes } from './shared/framing.js';
import { clientHelp, endpointHelp, inputHelp } from './shared/help.js';
import { reportAs } from './shared/output.js';
import { inputFlags, inputOptions } from './shared/pipes.js';
import { stopSignal } from './shared/signals.js';
import { diallerFor } from './shared/trust.js';

/** `secure-sockets connect`. */
export const connect: Command = {
  name: 'connect',
  summary: 'connect, and carry standard input and output',
  help: `Usage: secure-sockets connect [OPTION]... ADDRESS

Connects to ADDRESS (HOST:PORT, [IPV6]:PORT, unix:PATH, /PATH, or the ws: or
wss: URL of a WebSocket server), sends standard input and writes what comes back
to standard output. Ends when the server has closed, or when the input has ended
and the server has answered.

The server is trusted by --server-key, or by the known-hosts file. For a server
that is not in the file, the command asks at the terminal.

${clientHelp}${inputHelp}
${endpointHelp}
Examples:
  secure-sockets connect --server-key SHA256:... 127.0.0.1:9000 < in
  tar c folder | secure-sockets connect --identity me.pem backup.example:9000
  secure-sockets connect --server-key SHA256:... wss://shop.example/secure
`,
  flags: () => ({ connect: flags }),
  run,
};

const flags = { ...endpointFlags, ...clientFlags, ...inputFlags } as const;

async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse('connect', args, flags);
  const address = parsePeerAddress(onePositional('connect', 'ADDRESS', positionals));
  const { messageSize, wait } = inputOptions(values);
  const report = reportAs(values);
  const stop = stopSignal();
  const { dial } = await diallerFor(address, values, stop);
  const client = await dial(stop);
  announceServer(client, address, report);
  const { input, output } = openPipes(messageSize, values.messages);
  await converse(client, input, output, { stop, wait, isServer: false });
  return 0;
}
