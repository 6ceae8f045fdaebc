import type { Command, Flags } from './shared/arguments.js';
import { flagsOfBridge, planBridge } from './shared/bridge-plan.js';
import {
  clientHelp,
  endpointHelp,
  listenHelp,
  metricsHelp,
  serverHelp,
  withHeading,
  without,
} from './shared/help.js';
import { flagsWithConfiguration, hasConfiguration, runConfiguration } from './shared/run-configuration.js';
import { runStation } from './shared/run-station.js';

/** `secure-sockets bridge`. */
export const bridge: Command = {
  name: 'bridge',
  summary: 'connect programs of the old Python library to sealed ones',
  help: `Usage: secure-sockets bridge inward [OPTION]... LISTEN TARGET
   or: secure-sockets bridge outward [OPTION]... LISTEN SERVER
   or: secure-sockets bridge --config FILE [OPTION]...

Runs on the machine of a program that uses the old Python library, and carries
each message unchanged. inward: accepts sealed clients at LISTEN and connects to
the classic server TARGET for each, once it is authenticated. outward: accepts
classic clients at LISTEN, an address of this machine, and connects to the
sealed SERVER, which may be a ws: or wss: URL. Ends, cuts and back-pressure pass
through; the end of a classic peer, which may have been killed, is passed on as
close code 16386.

${withHeading(without(clientHelp, '--min-modulus-bits'), 'Options of bridge outward:')}
  --any-address           listen at an address that other machines can reach
${withHeading(serverHelp, 'Options of bridge inward, which takes one of the first two:')}  --any-client            let in every client that can reach LISTEN
  --keep-revoked          keep the connections of clients removed from FILE
  --min-modulus-bits N    accept a TARGET with a key from N bits on, default
                          2048; the Python library makes keys of 512

Options of both:
  --config FILE           run the tunnels and bridges that FILE describes, in
                          TOML
  --max-message BYTES     the longest message sent to a classic peer, default
                          16384: the Python library reads a message with one
                          recv
  --max-connections N     refuse connections beyond N at a time, default 1024
${metricsHelp}${listenHelp}${withHeading(without(endpointHelp, '--protocol'))}
Examples:
  secure-sockets bridge inward --identity server.pem --authorized-keys keys \\
    --min-modulus-bits 512 :9000 127.0.0.1:8000
  secure-sockets bridge outward --identity me.pem --server-key SHA256:... \\
    127.0.0.1:8000 server.example:9000
`,
  flags: () => ({
    'bridge inward': withoutProtocol(flagsOfBridge.inward),
    'bridge outward': withoutProtocol(flagsOfBridge.outward),
    'bridge --config': flagsWithConfiguration,
  }),
  run: async (args) => {
    if (hasConfiguration(args)) await runConfiguration('bridge', args);
    else await runStation(planBridge(args));
    return 0;
  },
};

/** It is read to say why there is none. */
function withoutProtocol({ protocol: _, ...flags }: Flags): Flags {
  return flags;
}
