// One end of scripts/network-faults.mjs: an echo server, or clients that check every answer.
import { createHash } from 'node:crypto';
import { SecureClient, SecureServer } from 'secure-sockets';

const { role, protocol, address, port, fingerprint, messages } = JSON.parse(process.argv[2]);

if (role === 'server') await serve();
else await ask();

async function serve() {
  const server = new SecureServer({ protocol, modulusLength: 2048 });
  await server.listen({ host: address, port: 0 });
  console.log(JSON.stringify({ address, port: server.address.port, fingerprint: server.fingerprint }));
  for await (const client of server) echo(client).catch((error) => console.error(error));
}

async function echo(client) {
  for await (const message of client) await client.send(message);
  await client.close();
}

async function ask() {
  const begun = performance.now();
  const times = (await Promise.all(Array.from({ length: 10 }, (_, i) => converse(i)))).flat();
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.floor(times.length * share)].toFixed(1);
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  console.log(
    `${protocol}: ${times.length} messages in ${seconds} s, median ${at(0.5)} ms, p99 ${at(0.99)} ms`,
  );
}

async function converse(conversation) {
  const client = new SecureClient({ protocol, serverKey: fingerprint, handshakeTimeout: 60_000 });
  await client.connect({ host: address, port });
  const times = [];
  for (let number = 0; number < messages; number++) {
    const message = makeMessage(conversation, number);
    const begun = performance.now();
    await client.send(message);
    const answer = await client.recv();
    if (answer === null || !message.equals(answer)) throw new Error(`message ${number} came back changed`);
    times.push(performance.now() - begun);
  }
  await client.close();
  return times;
}

function makeMessage(conversation, number) {
  const message = Buffer.alloc(40 + ((number * 97) % 4000), number);
  message.writeUInt32BE(conversation, 0);
  message.writeUInt32BE(number, 4);
  createHash('sha256').update(message.subarray(40)).digest().copy(message, 8);
  return message;
}
