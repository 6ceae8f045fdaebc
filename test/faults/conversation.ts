import { createHash } from 'node:crypto';
import type { SecureClient } from 'secure-sockets';
import type { Random } from '../helpers/random.js';

/** How an end saw its connection: what arrived in order and unchanged, and how that ended. */
export interface Account {
  /** Messages received, each checked for its number and its hash. */
  received: number;
  /** Whether the connection began with a ticket. */
  readonly resumed: boolean;
  /** `'end'`, or the code of the one error; `'?'` while it goes on. */
  ending: string;
  /** Anything that must never be: a message lost, doubled, moved or changed, an error without a code. */
  readonly offences: string[];
}

const HASH_LENGTH = 32;
const HEADER_LENGTH = 8;

/** The message of a number in a conversation: both numbers, a body, and the hash of all that. */
function makeMessage(conversation: number, number: number, length: number): Uint8Array {
  const message = Buffer.alloc(HEADER_LENGTH + length + HASH_LENGTH);
  message.writeUInt32BE(conversation, 0);
  message.writeUInt32BE(number, 4);
  message.fill((conversation * 31 + number) % 256, HEADER_LENGTH, HEADER_LENGTH + length);
  for (let at = HEADER_LENGTH; at < HEADER_LENGTH + length; at += 97) message[at] = at % 251;
  message.set(hashOf(message), HEADER_LENGTH + length);
  return message;
}

/** Asks so many questions, checks every answer, and closes when it has the last one. */
export async function ask(
  client: SecureClient,
  conversation: number,
  lengths: readonly number[],
): Promise<Account> {
  const account: Account = { received: 0, resumed: client.resumed, ending: '?', offences: [] };
  const sending = (async () => {
    for (const [number, length] of lengths.entries())
      await client.send(makeMessage(conversation, number, length));
  })();
  // the reason is the same as the reader's, which reports it
  sending.catch(() => {});
  await receive(client, account, {
    conversation,
    onMessage: async () => {
      if (account.received === lengths.length) await client.close();
    },
  });
  if (account.ending === 'end' && client.protocol === 'sealed' && account.received < lengths.length)
    account.offences.push(`an orderly end after ${account.received} of ${lengths.length} messages`);
  return account;
}

/** Sends back whatever arrives, until the end. */
export async function answer(client: SecureClient): Promise<Account> {
  const account: Account = { received: 0, resumed: client.resumed, ending: '?', offences: [] };
  await receive(client, account, { onMessage: (message) => client.send(message) });
  await client.close();
  return account;
}

/** Lengths of messages, most of them short, some long. */
export function someLengths(random: Random, count: number): number[] {
  return Array.from({ length: count }, () => {
    const kind = random.next();
    return random.below(kind < 0.7 ? 200 : kind < 0.95 ? 5_000 : 120_000);
  });
}

interface Receiving {
  /** Known by the end that asks; the other takes it from the first message. */
  readonly conversation?: number;
  readonly onMessage: (message: Uint8Array) => Promise<void>;
}

async function receive(client: SecureClient, account: Account, options: Receiving): Promise<void> {
  let { conversation } = options;
  try {
    for await (const message of client) {
      const offence = check(message, conversation, account.received);
      if (offence !== undefined) account.offences.push(offence);
      conversation ??= Buffer.from(message).readUInt32BE(0);
      account.received++;
      await options.onMessage(message);
    }
    account.ending = 'end';
  } catch (error) {
    const { code } = error as { code?: string };
    account.ending = code ?? 'no code';
    if (code === undefined) account.offences.push(`an error without a code: ${String(error)}`);
    // an answer that could not be sent leaves messages unread, which belong to us until we have read them
    while ((await client.recv().catch(() => null)) !== null);
  }
}

function check(message: Uint8Array, conversation: number | undefined, number: number): string | undefined {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.length);
  const end = bytes.length - HASH_LENGTH;
  if (end < HEADER_LENGTH) return `a message of ${bytes.length} bytes`;
  if (!bytes.subarray(end).equals(hashOf(bytes))) return `message ${number} was changed`;
  if (bytes.readUInt32BE(4) !== number) return `message ${bytes.readUInt32BE(4)} in the place of ${number}`;
  const from = bytes.readUInt32BE(0);
  return conversation === undefined || conversation === from
    ? undefined
    : `a message of conversation ${from}`;
}

function hashOf(message: Buffer): Buffer {
  return createHash('sha256')
    .update(message.subarray(0, message.length - HASH_LENGTH))
    .digest();
}
