// The tunnels that bench-tunnel.mjs compares. Each is a function that begins both ends of a tunnel to a port of this
// machine and resolves to the port where it begins; `folder` takes its keys, `begin` starts a program that the
// measurement ends.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from './free-port.mjs';

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

export function tunnelOfOurs(backend, flags, { folder, begin }) {
  const key = (name, ...args) =>
    JSON.parse(
      execFileSync(process.execPath, [cli, 'keygen', '--json', ...args, '-o', join(folder, name)], {
        encoding: 'utf8',
      }),
    );
  const server = key(`${backend}-server.pem`);
  const client = key(`${backend}-client.pem`, '--role', 'client');
  writeFileSync(join(folder, `${backend}-keys`), `${client.fingerprint} client\n`);
  const common = ['--backend', backend, ...flags];
  return async (target) => {
    const [inner, outer] = [await freePort(), await freePort()];
    const files = [
      '--authorized-keys',
      join(folder, `${backend}-keys`),
      '--identity',
      join(folder, `${backend}-server.pem`),
    ];
    begin(process.execPath, cli, 'tunnel', 'server', ...common, ...files, at(inner), at(target));
    const identity = [
      '--identity',
      join(folder, `${backend}-client.pem`),
      '--server-key',
      server.fingerprint,
    ];
    begin(process.execPath, cli, 'tunnel', 'client', ...common, ...identity, at(outer), at(inner));
    return outer;
  };
}

export function tunnelOfSpiped({ folder, begin }) {
  const key = join(folder, 'spiped.key');
  writeFileSync(key, randomBytes(32));
  return async (target) => {
    const [inner, outer] = [await freePort(), await freePort()];
    begin('spiped', '-F', '-d', '-s', formatPort(inner), '-t', formatPort(target), '-k', key);
    begin('spiped', '-F', '-e', '-s', formatPort(outer), '-t', formatPort(inner), '-k', key);
    return outer;
  };
}

/** Both ends verify certificates, as ours verify keys. */
export function tunnelOfStunnel({ folder, begin }) {
  for (const name of ['server', 'client']) {
    const [key, certificate] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)];
    const request = ['req', '-x509', '-newkey', 'rsa:3072', '-nodes', '-days', '2', '-subj', `/CN=${name}`];
    execFileSync('openssl', [...request, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
  }
  return async (target) => {
    const [inner, outer] = [await freePort(), await freePort()];
    const common = (own, other) => `foreground = yes
pid =
debug = err
cert = ${join(folder, `${own}.crt`)}
key = ${join(folder, `${own}.key`)}
CAfile = ${join(folder, `${other}.crt`)}
verifyPeer = yes
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
`;
    const server = `${common('server', 'client')}[s]\naccept = ${at(inner)}\nconnect = ${at(target)}\n`;
    const client = `${common('client', 'server')}[c]\nclient = yes\naccept = ${at(outer)}\nconnect = ${at(inner)}\n`;
    for (const [text, port] of [
      [server, inner],
      [client, outer],
    ]) {
      const file = join(folder, `stunnel-${port}.conf`);
      writeFileSync(file, text);
      begin('stunnel4', file);
    }
    return outer;
  };
}

function at(port) {
  return `127.0.0.1:${port}`;
}

function formatPort(port) {
  return `[127.0.0.1]:${port}`;
}
