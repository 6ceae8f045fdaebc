import { concat, malformedMessage, Reader, u16, vec16 } from './codec.js';

/** The types of extensions (docs/protocol.md, M1, M2). RESUME comes behind every other type. */
const ExtensionType = { ticketRequest: 0xff01, resume: 0xfffe } as const;

/** The longest ticket. */
export const MAX_TICKET = 2048;
/** The MAC at the end of a CLIENT_HELLO that offers a ticket. */
export const BINDER_LENGTH = 32;

const NONE = new Uint8Array(0);

/** What the extensions of a CLIENT_HELLO say. */
export interface HelloExtensions {
  /** Whether the client can use tickets; not if absent. */
  readonly wantsTickets?: boolean;
  /** The ticket it offers, and the proof that it has the secret behind it. */
  readonly resume?: { readonly ticket: Uint8Array; readonly binder: Uint8Array } | undefined;
}

/** The extension block of a CLIENT_HELLO, which ends with the binder if there is one. */
export function encodeHelloExtensions({ wantsTickets, resume }: HelloExtensions): Uint8Array {
  const entries = [
    ...(wantsTickets ? [extension(ExtensionType.ticketRequest, NONE)] : []),
    ...(resume ? [extension(ExtensionType.resume, concat(vec16(resume.ticket), resume.binder))] : []),
  ];
  return vec16(concat(...entries));
}

/** Reads them; types that are not known are ignored. */
export function decodeHelloExtensions(entries: ReadonlyMap<number, Uint8Array>): HelloExtensions {
  const request = entries.get(ExtensionType.ticketRequest);
  if (request !== undefined && request.length > 0)
    throw malformedMessage('CLIENT_HELLO', 'its request for tickets has content');
  const resume = entries.get(ExtensionType.resume);
  if (resume !== undefined && [...entries.keys()].at(-1) !== ExtensionType.resume)
    throw malformedMessage('CLIENT_HELLO', 'its ticket is not its last extension');
  return { wantsTickets: request !== undefined, resume: resume && decodeResume(resume) };
}

function decodeResume(content: Uint8Array): HelloExtensions['resume'] {
  const reader = new Reader(content, 'CLIENT_HELLO');
  const ticket = reader.vec16();
  reader.within(ticket.length, 1, MAX_TICKET, 'the length of its ticket');
  const binder = reader.take(BINDER_LENGTH);
  reader.end();
  return { ticket, binder };
}

/** The extension block of a SERVER_HELLO. */
export function encodeAcceptance(isResumed: boolean): Uint8Array {
  return vec16(isResumed ? extension(ExtensionType.resume, NONE) : NONE);
}

/** Whether the extensions of a SERVER_HELLO say that the ticket is accepted. */
export function decodeAcceptance(entries: ReadonlyMap<number, Uint8Array>): boolean {
  const resume = entries.get(ExtensionType.resume);
  if (resume !== undefined && resume.length > 0)
    throw malformedMessage('SERVER_HELLO', 'its acceptance of a ticket has content');
  return resume !== undefined;
}

function extension(type: number, content: Uint8Array): Uint8Array {
  return concat(u16(type), vec16(content));
}
