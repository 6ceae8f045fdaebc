import type { Command } from './shared/arguments.js';
import { clientHelp, withHeading, without } from './shared/help.js';
import { hasConfiguration, runConfiguration } from './shared/run-configuration.js';
import { runStation } from './shared/run-station.js';
import { planTunnel } from './shared/tunnel-plan.js';

/** `secure-sockets tunnel`. */
export const tunnel: Command = {
  name: 'tunnel',
  summary: 'carry plain TCP connections over sealed ones',
  help: `Usage: secure-sockets tunnel client [OPTION]... LISTEN SERVER
   or: secure-sockets tunnel server [OPTION]... LISTEN TARGET
   or: secure-sockets tunnel --config FILE [OPTION]...

The client accepts plain connections at LISTEN and carries them over a few
sealed ones to SERVER, which is a tunnel server. That dials the plain TARGET for
each, once the client is authenticated and not before. All are addresses:
HOST:PORT, [IPV6]:PORT, unix:PATH or /PATH; names are looked up anew for every
connection. What one side ends the other sees ended, what is cut off it sees
reset. Runs until stopped; then open connections have five seconds to end. SIGHUP has it
read keys again.

${withHeading(without(clientHelp, '--min-modulus-bits'), 'Options of a tunnel client:')}
Options of a tunnel server, which takes one of the first two:
  --authorized-keys FILE  let in the clients in FILE only
  --any-client            let in every client that can reach LISTEN
  --keep-revoked          do not end the connections of clients removed from FILE
  --settle MS             for targets of the old Python library: what is sent first
                          is kept apart for MS milliseconds; as --carriers 0
Options of both:
  --config FILE           run the tunnels and bridges that FILE describes, in TOML
  --target NAME=ADDRESS   instead of TARGET, and of the client's LISTEN: one of
                          several, the same NAME on both ends
  --carriers N            sealed connections that carry plain ones, default 1;
                          0: each plain connection has a sealed one of its own
  --max-connections N     turn away connections beyond N at a time, default 1024
  --metrics ADDRESS       Prometheus text at /metrics, health at /healthz
  --metrics-public        at other than local addresses too
  --unlink                remove a Unix domain socket that a killed program left
  --identity FILE         the private key of this end, made by keygen
  --passphrase-file FILE  its passphrase is the first line of FILE
  --protocol NAME         sealed (default) or classic, the same on both ends
  --key-length N          classic: session keys of 16, 24 or 32 (default) bytes
  --min-modulus-bits N    classic: the client takes keys from N bits on
  --backend NAME          who computes: node (default), sodium, web, forge, noble
  --timeout SECONDS       for connecting and the handshake together, default 10
  --log-level LEVEL       error, warning, info (default) or debug
  --log-format FORMAT     text (default), or json: an object a line, with time
  -v, --verbose           as --log-level debug
  --json                  as --log-format json, at debug
  -h, --help              this text

Examples:
  secure-sockets tunnel server --identity server.pem --authorized-keys keys \\
    :9000 127.0.0.1:6379
  secure-sockets tunnel client --identity me.pem --server-key SHA256:... \\
    127.0.0.1:6379 server.example:9000
`,
  run: async (args) => {
    if (hasConfiguration(args)) await runConfiguration('tunnel', args);
    else await runStation(planTunnel(args));
    return 0;
  },
};
