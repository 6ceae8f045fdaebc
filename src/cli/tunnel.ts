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
sealed ones to SERVER, a tunnel server. That connects to the plain TARGET for
each, but only once the client is authenticated. All are addresses: HOST:PORT,
[IPV6]:PORT, unix:PATH or /PATH, SERVER also ws://HOST:PORT/PATH or wss://...;
names are resolved again for every connection. An end of one side is passed on as an end, a cut as a reset. Runs until stopped;
then open connections have five seconds to end. SIGHUP makes it read keys again.

${withHeading(without(clientHelp, '--min-modulus-bits'), 'Options of a tunnel client:')}
Options of a tunnel server, which takes one of the first two:
  --authorized-keys FILE  let in the clients in FILE only
  --any-client            let in every client that can reach LISTEN
  --keep-revoked          do not end the connections of clients removed from FILE
  --websocket             accept WebSockets instead of TCP connections; needs the
                          package ws: npm install ws
  --settle MS             for targets of the old Python library: the first bytes
                          are sent MS milliseconds ahead; implies --carriers 0
Options of both:
  --config FILE           run the tunnels and bridges that FILE describes, in TOML
  --target NAME=ADDRESS   one of several targets, instead of TARGET and of the
                          client's LISTEN; the same NAME on both ends
  --carriers N            sealed connections that carry plain ones, default 1;
                          0: each plain connection has a sealed one of its own
  --max-connections N     refuse connections beyond N at a time, default 1024
  --metrics ADDRESS       Prometheus text at /metrics, health at /healthz
  --metrics-public        at addresses other machines can reach, too
  --unlink                remove a Unix domain socket that a killed program left
  --identity FILE         the private key of this end, made by keygen
  --passphrase-file FILE  its passphrase is the first line of FILE
  --protocol NAME         sealed (default) or classic, the same on both ends
  --key-length N          classic: session keys of 16, 24 or 32 (default) bytes
  --min-modulus-bits N    classic: the client accepts keys from N bits on
  --backend NAME          node (default), sodium, web, forge or noble
  --timeout SECONDS       for connecting and the handshake together, default 10
  --log-level LEVEL       error, warning, info (default) or debug
  --log-format FORMAT     text (default), or json: one object per line
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
