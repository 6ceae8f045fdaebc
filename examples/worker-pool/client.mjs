// Gives each word to the pool over a connection of its own: node examples/worker-pool/client.mjs PORT FINGERPRINT WORD...
import { SecureClient } from 'secure-sockets';

const [port, fingerprint, ...words] = process.argv.slice(2);

const answers = await Promise.all(words.map(ask));
for (const [i, word] of words.entries()) console.log(`${word} ${Buffer.from(answers[i]).toString('hex')}`);

async function ask(word) {
  const client = new SecureClient({ serverKey: fingerprint });
  await client.connect({ host: '127.0.0.1', port: Number(port) });
  await client.send(new TextEncoder().encode(word));
  const answer = await client.recv();
  await client.close();
  return answer;
}
