import type { Command } from './shared/arguments.js';
import { flagsWithConfiguration, hasConfiguration, runConfiguration } from './shared/run-configuration.js';
import { runStation } from './shared/run-station.js';
import { flagsOfTunnel, planTunnel } from './shared/tunnel-plan.js';

/** `secure-sockets tunnel`. */
export const tunnel: Command = {
  name: 'tunnel',
  summary: 'carry plain TCP connections over sealed ones',
  help: `Usage: secure-sockets tunnel client|server [OPTION]... LISTEN SERVER|TARGET
From the client's LISTEN to the server's TARGET, sealed. Addresses: HOST:PORT,
[IPV6]:PORT or unix:PATH, for LISTEN also fd:NAME, for SERVER also ws:, wss:.

Options of a tunnel client:
  --server-key SHA256:... the fingerprint of the server's key; may be repeated
  --known-hosts FILE      default ~/.config/secure-sockets/known_hosts
Options of a tunnel server, which takes one of the first two:
  --authorized-keys FILE  let in the clients in FILE only
  --any-client            let in every client that can reach LISTEN
  --keep-revoked          keep the connections of clients removed from FILE
  --websocket             accept WebSockets; needs the package ws (npm i ws)
  --settle MS             for targets of the old Python library, see docs/cli.md
Options of both:
  --config FILE           run what FILE describes, in TOML; no addresses then
  --target NAME=ADDRESS   one of several, for TARGET and the client's LISTEN
  --carriers N            sealed connections that carry plain ones, default 1
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
  secure-sockets tunnel server --identity key.pem --any-client :9000 :6379
  secure-sockets tunnel client --server-key SHA256:... :6379 there.example:9000
`,
  flags: () => ({
    'tunnel client': flagsOfTunnel.client,
    'tunnel server': flagsOfTunnel.server,
    'tunnel --config': flagsWithConfiguration,
  }),
  run: async (args) => {
    if (hasConfiguration(args)) await runConfiguration('tunnel', args);
    else await runStation(planTunnel(args));
    return 0;
  },
};
