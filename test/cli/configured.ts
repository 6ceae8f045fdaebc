import { once } from 'node:events';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { Identity } from 'secure-sockets';
import { beforeAll } from 'vitest';
import type { Running } from './command.js';
import { addressOf, begin, type Place, plainClient, plainServer, usePlace } from './place.js';

let place: Place;

/** The same as {@link usePlace}, with a folder `etc` that has the keys, and another list of clients. */
export function usePlaceForConfigurations(): Place {
  place = usePlace();
  beforeAll(async () => {
    mkdirSync(join(place.folder, 'etc'));
    for (const name of ['server.pem', 'client.pem', 'keys'])
      copyFileSync(join(place.folder, name), join(place.folder, 'etc', name));
    const other = await Identity.generate({ role: 'client', modulusLength: 2048 });
    writeFileSync(join(place.folder, 'etc/other-keys'), `${other.fingerprint} other\n`);
  });
  return place;
}

/** A table of a tunnel server. */
export function tunnelServer(name: string, target: string, port = 0): string {
  const to = target.startsWith('{') ? target : `"${target}"`;
  return `[tunnel-server.${name}]\nlisten = "127.0.0.1:${port}"\ntarget = ${to}\nidentity = "server.pem"\nauthorized-keys = "keys"\n`;
}

/** A table of a tunnel client. */
export function tunnelClient(name: string, listen: string, port: number): string {
  return `[tunnel-client.${name}]\nlisten = ${listen}\nserver = "127.0.0.1:${port}"\nidentity = "client.pem"\nserver-key = ["${place.serverKey}"]\n`;
}

/** Writes a file into `etc`. */
export function write(name: string, text: string): void {
  writeFileSync(join(place.folder, 'etc', name), text);
}

/** Starts a process with a configuration. */
export async function startConfigured(name: string, text: string, ...flags: string[]): Promise<Running> {
  write(name, text);
  const running = begin('tunnel', '--config', `etc/${name}`, ...flags);
  await running.until(/listening/);
  return running;
}

/** Where a service listens, after so many times that it has begun to. */
export async function portOf(running: Running, service: string, times = 1): Promise<number> {
  const text = `(?:: ${service}: listening at |"listening","service":"${service}","address":")[^\\n]*?:(\\d+)[",\\n]`;
  await running.until(new RegExp(`(?:${text}[\\s\\S]*){${times}}`));
  return Number([...running.errors().matchAll(new RegExp(text, 'g'))].at(-1)?.[1]);
}

/** Sends SIGHUP and waits until all is done. */
export async function hangUp(running: Running): Promise<void> {
  const before = running.errors().split('secure-sockets: read the files again\n').length;
  running.child.kill('SIGHUP');
  await running.until(new RegExp(`(secure-sockets: read the files again\\n[\\s\\S]*){${before}}`));
}

/** A target that says its name and sends back what it gets. */
export async function greeter(name: string): Promise<string> {
  return addressOf(await plainServer((socket) => socket.write(name) && socket.pipe(socket)));
}

/** What a connection gets next. */
export async function readGreeting(socket: Socket): Promise<string> {
  const [data] = await once(socket, 'data');
  return String(data);
}

/** Whether a connection still carries. */
export async function readEcho(socket: Socket): Promise<string> {
  socket.write('still there');
  return readGreeting(socket);
}

/** A plain connection through a tunnel client of its own. */
export async function through(port: number): Promise<Socket> {
  const to = ['127.0.0.1:0', `127.0.0.1:${port}`];
  const client = begin(
    'tunnel',
    'client',
    '--identity',
    'client.pem',
    '--server-key',
    place.serverKey,
    ...to,
  );
  const [, at] = await client.until(/listening at 127\.0\.0\.1:(\d+)/);
  return plainClient(Number(at));
}

/** A plain connection that has been greeted. */
export async function connectTo(port: number): Promise<Socket> {
  const socket = await through(port);
  await readGreeting(socket);
  return socket;
}

/** Whether something listens at a port. */
export async function reachable(port: number): Promise<boolean> {
  const socket = plainClient(port);
  return Promise.race([
    once(socket, 'connect').then(() => true),
    once(socket, 'close').then(() => false),
  ]).catch(() => false);
}
