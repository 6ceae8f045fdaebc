// One process of a chat that runs on several: node examples/chat/server.mjs PORT
//
// All of them load the same key and the same ticket keys, and share a log in Redis. A client says what it has seen, gets
// what came since, and is told that a message of its own was delivered once the log has it. Nothing that has to last is
// in this process, so it may be killed at any time.
import { readFile } from 'node:fs/promises';
import { BlockList } from 'node:net';
import { Identity, SecureServer } from 'secure-sockets';
import { Log } from './log.mjs';
import { encode, Member } from './member.mjs';

/** Close code for a client that does not keep to the protocol. */
const MALFORMED = 0x4000;

const proxies = new BlockList();
proxies.addAddress(process.env.PROXY ?? '127.0.0.1');

const log = await Log.open(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379');
const members = new Set();

const server = new SecureServer({
  identity: await Identity.load(process.env.KEY_FILE ?? 'server.pem'),
  ticketKeys: await loadTicketKeys(process.env.TICKET_KEYS ?? 'ticket-keys'),
  trustedProxies: proxies,
  maxMessage: 16_384,
});
await server.listen({ host: '127.0.0.1', port: Number(process.argv[2] ?? 0) });
console.log(`${server.address.port} ${server.fingerprint}`);

process.once('SIGTERM', () => server.close().then(() => process.exit()));
log.follow((message) => {
  for (const member of members) member.give([message]);
});
for await (const client of server) {
  serve(client).catch((error) => {
    console.error(`${client.remoteAddress}: ${error.message}`);
    client.destroy();
  });
}

async function serve(client) {
  const member = new Member(client);
  try {
    for await (const data of client) {
      const request = parse(data);
      if (request === undefined) return await client.close({ code: MALFORMED });
      if (request.type === 'join') join(member, request);
      else await append(member, request);
    }
    await client.close();
  } finally {
    members.delete(member);
  }
}

/** What came since the client was last here, and from now on all that comes. */
function join(member, { name, after }) {
  member.name = name;
  // what is behind log.last comes by log.follow(), and is given after what is before it
  member.give(log.between(after, log.last));
  members.add(member);
}

async function append(member, { id, text }) {
  await log.append({ id, name: member.name, text });
  await member.client.send(encode({ type: 'delivered', id }));
}

/** A request, if it is one: what comes from a client may be anything. */
function parse(data) {
  let request;
  try {
    request = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(data));
  } catch {
    return undefined;
  }
  const isText = (value, max) => typeof value === 'string' && value.length > 0 && value.length <= max;
  if (request?.type === 'join')
    return isText(request.name, 64) && /^\d{1,20}-\d{1,20}$/.test(request.after) ? request : undefined;
  return request?.type === 'say' && isText(request.text, 4096) && /^[\w-]{36}$/.test(request.id)
    ? request
    : undefined;
}

async function loadTicketKeys(path) {
  const lines = (await readFile(path, 'utf8')).trim().split('\n');
  return lines.map((line) => new Uint8Array(Buffer.from(line, 'hex')));
}
