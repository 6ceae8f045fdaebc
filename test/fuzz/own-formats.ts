import { dirname, join } from 'node:path';
import { CommandError, exitCodes } from '../../src/cli/shared/failure.js';
import {
  checkLetter,
  decodeCount,
  decodeFolder,
  decodeHeader,
  decodeMessage,
  encodeCount,
  encodeFolder,
  encodeHeader,
  type FolderHeader,
  problemWithName,
} from '../../src/cli/shared/transfer.js';
import { encodeSpki } from '../../src/core/encodings/der.js';
import { TicketKeys } from '../../src/sessions/ticket-keys.js';
import { insecure } from '../helpers/insecure-backend.js';
import { testKey } from '../helpers/sealed-vectors.js';
import * as structures from './structures.js';
import { requireSame, type Target, verdictOf } from './target.js';

// Formats that are ours beside those of the protocols: tickets, and what `send` and `receive` tell each other.

const NAME_AND_RANDOM = 48;
const SERVER_HASH = { from: NAME_AND_RANDOM + 40, to: NAME_AND_RANDOM + 72 };
const TAG = 16;

const tickets = new TicketKeys({
  ...{ backend: insecure, serverHash: new Uint8Array(32).fill(0x77), lifetime: 2 ** 46 },
  shared: [new Uint8Array(32)],
});

function sealTicket(content: { psk: Uint8Array; since: number; spki: Uint8Array }): Uint8Array {
  const sealed = tickets.seal(content);
  if (sealed === undefined) throw new Error('a ticket was opened whose time is over');
  return sealed.ticket;
}

/** What a ticket says, without what the insecure backend lets through: random bytes, the server's hash and the tag. */
function contentOf(ticket: Uint8Array): Uint8Array {
  const { from, to } = SERVER_HASH;
  const parts = [ticket.subarray(NAME_AND_RANDOM, from), ticket.subarray(to, -TAG)];
  return Uint8Array.from(Buffer.concat(parts));
}

const ticket: Target = {
  name: 'ticket',
  seeds: [encodeSpki(testKey('client2048')), new Uint8Array(0)].map((spki) =>
    sealTicket({ psk: new Uint8Array(32).fill(7), since: 1_700_000_000_123, spki }),
  ),
  structured: structures.ownTicket,
  streams: false,
  verdict: (input) =>
    verdictOf(() => {
      const content = tickets.open(input);
      if (content === undefined) throw new CommandError(exitCodes.damaged, 'ignored');
      requireSame(contentOf(sealTicket(content)), contentOf(input));
      return content;
    }),
};

const text = (value: string): Uint8Array => Uint8Array.from(Buffer.from(value));
const file = { name: 'a b.txt', size: 7, modified: 1_700_000_000_123, mode: 0o644 };

const transfer: Target = {
  name: 'transfer',
  seeds: [
    encodeHeader({ ...file, batch: { file: 1, files: 2, bytes: 9 }, resume: true }),
    encodeHeader({ name: 'of a pipe', size: null }),
    encodeFolder({ name: 'a/b', mode: 0o755, modified: -5 }),
    text('A'),
    Uint8Array.from([...text('A'), ...encodeCount(2 ** 40)]),
  ],
  structured: structures.transferMessage,
  streams: false,
  // whatever the letter says, all read the body
  verdict: (input) => {
    const { letter, body } = decodeMessage(input);
    const parsers = [
      () => checkLetter(letter, 'F'),
      () => again(body, decodeHeader, encodeHeader),
      () => again(body, decodeFolder, encodeFolder),
      () => decodeCount(body),
    ];
    return parsers.map((parse) => verdictOf(parse)).join('; ');
  },
};

/** A header that is read means the same when it is written, and has nothing that a file system could trip over. */
function again<Header extends FolderHeader>(
  body: Uint8Array,
  decode: (body: Uint8Array) => Header,
  encode: (header: Header) => Uint8Array,
): Header {
  const header = decode(body);
  requireSame(encode(decode(encode(header).subarray(1))), encode(header));
  const { name, mode = 0, modified = 0 } = header;
  if (mode > 0o777 || Number.isNaN(new Date(modified).valueOf())) throw new Error('what no file can have');
  if (problemWithName(name) === undefined && dirname(join('/folder', name)) !== '/folder')
    throw new Error('a name that leads elsewhere is taken');
  return header;
}

/** Everything of ours that reads bytes of a peer and belongs to no protocol. */
export function ownFormatTargets(): Target[] {
  return [ticket, transfer];
}
