// Sends each line of its input, shows the messages of others: node examples/chat/client.mjs PORT FINGERPRINT NAME
import { createInterface } from 'node:readline';
import { Chat } from './chat.mjs';

const [port, fingerprint, name] = process.argv.slice(2);
const ending = new AbortController();
const chat = new Chat({
  name,
  onMessage: (message) => console.log(`${message.name}: ${message.text}`),
});
const running = chat.run(
  { host: '127.0.0.1', port: Number(port) },
  { serverKey: fingerprint },
  ending.signal,
);

const delivered = [];
for await (const line of createInterface({ input: process.stdin }))
  if (line !== '') delivered.push(chat.say(line));
await Promise.all(delivered);
await chat.leave();
ending.abort(); // if it was about to connect again
await running;
