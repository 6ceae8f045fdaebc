// What the two ends say to each other. Both check the SHA-256 of what they got and return it.
import { createHash } from 'node:crypto';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** The client's side: a text that comes back, the same some more times for its timing, and a file there and back. */
export async function ask(client, text, file, rounds) {
  const from = client.bytesWritten;
  const echoed = await roundTrip(client, text);
  const to = client.bytesWritten;
  const times = [];
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    await roundTrip(client, text);
    times.push(performance.now() - start);
  }
  const start = performance.now();
  await sendFile(client, file);
  const sha256 = await receiveFile(client);
  const fileMs = performance.now() - start;
  // Which bytes of this side's stream were the first text.
  return { text: echoed, sha256, wire: { from, to }, textMs: median(times), fileMs };
}

/** The server's side: sends every text back, and then the file. */
export async function answer(client, rounds) {
  let text = '';
  for (let round = 0; round <= rounds; round++) {
    text = decoder.decode(await receive(client));
    await client.send(encoder.encode(text));
  }
  const digest = decoder.decode(await receive(client));
  const file = await receive(client);
  const sha256 = check(file, digest);
  await sendFile(client, file);
  return { text, sha256 };
}

export function sha256Of(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}

async function roundTrip(client, text) {
  await client.send(encoder.encode(text));
  return decoder.decode(await receive(client));
}

async function sendFile(client, file) {
  await client.send(encoder.encode(sha256Of(file)));
  await client.send(file);
}

async function receiveFile(client) {
  const digest = decoder.decode(await receive(client));
  return check(await receive(client), digest);
}

async function receive(client) {
  const message = await client.recv();
  if (message === null) throw new Error('the peer has closed in the middle of the conversation');
  return message;
}

function check(file, digest) {
  const sha256 = sha256Of(file);
  if (sha256 !== digest) throw new Error(`SHA-256 of the file is ${sha256}, its sender said ${digest}`);
  return sha256;
}

function median(numbers) {
  return numbers.sort((a, b) => a - b)[numbers.length >> 1];
}
