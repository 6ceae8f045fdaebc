// Frames of HTTP/2 (RFC 9113) that are put together by hand, for a peer that does what no library of HTTP/2 does.

const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const END_STREAM = 1;
const END_HEADERS = 4;

/** What a client begins with: the preface, and SETTINGS without any. */
export const opening: Buffer = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  frame(SETTINGS, 0, 0),
]);

/** Opens a stream by a request with these header fields, of fewer than 127 bytes each. */
export function request(stream: number, fields: Readonly<Record<string, string>>): Buffer {
  const block = Object.entries(fields).flatMap(([name, value]) => [Buffer.of(0), word(name), word(value)]);
  return frame(HEADERS, END_HEADERS, stream, Buffer.concat(block));
}

/** Sends bytes on a stream. */
export function data(stream: number, bytes: string): Buffer {
  return frame(DATA, 0, stream, Buffer.from(bytes));
}

/** What whole frames say about streams: `headers`, `data`, which may be empty, `end` and `reset`. */
export function describeFrames(bytes: Buffer): string[] {
  const words: string[] = [];
  for (let at = 0; at < bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
    const [type, flags] = [bytes[at + 3], bytes[at + 4] ?? 0];
    if (type === HEADERS) words.push('headers');
    if (type === DATA) words.push('data');
    if (type === RST_STREAM) words.push('reset');
    if ((type === HEADERS || type === DATA) && flags & END_STREAM) words.push('end');
  }
  return words;
}

/** Resets a stream. */
export function reset(stream: number, code: number): Buffer {
  return frame(RST_STREAM, 0, stream, Buffer.of(0, 0, 0, code));
}

function frame(type: number, flags: number, stream: number, payload = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A string literal of RFC 7541 5.2, not compressed. */
function word(text: string): Buffer {
  return Buffer.concat([Buffer.of(text.length), Buffer.from(text)]);
}
