import { once } from 'node:events';
import { noise } from '@chainsafe/libp2p-noise';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { defaultLogger } from '@libp2p/logger';
import { tcp } from '@libp2p/tcp';
import { multiaddr } from '@multiformats/multiaddr';
import { MessageQueue } from './queue.mjs';

// libp2p needs Node 22
Promise.withResolvers ??= function withResolvers() {
  const parts = {};
  parts.promise = new this((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
};

const logger = defaultLogger();
/** Without multiplexing and negotiation: only the Noise connection is measured. */
const alone = { skipStreamMuxerNegotiation: true };
const encrypter = noise()({
  logger,
  privateKey: await generateKeyPair('Ed25519'),
  upgrader: { getStreamMuxers: () => new Map() },
});
const transport = tcp()({ logger });

export async function serve(_credentials, _options, handle) {
  const upgrader = {
    upgradeInbound: async (raw) => handle(frame((await encrypter.secureInbound(raw, alone)).connection)),
  };
  const listener = transport.createListener({ upgrader });
  const listening = once(listener, 'listening');
  await listener.listen(multiaddr('/ip4/127.0.0.1/tcp/0'));
  await listening;
  const [address] = listener.getAddrs();
  return { port: Number(address.toString().split('/')[4]) };
}

export async function connect({ port }) {
  const { signal } = new AbortController();
  const upgrader = {
    upgradeOutbound: async (raw) => (await encrypter.secureOutbound(raw, alone)).connection,
  };
  return frame(await transport.dial(multiaddr(`/ip4/127.0.0.1/tcp/${port}`), { upgrader, signal }));
}

/** Noise gives a stream of bytes, so messages get a length prefix. */
function frame(stream) {
  const queue = new MessageQueue(
    () => stream.pause(),
    () => stream.resume(),
  );
  const closed = new Promise((resolve) => stream.addEventListener('close', resolve, { once: true }));
  const parser = new Parser((message) => queue.push(message));
  stream.addEventListener('message', ({ data }) => parser.push(data));
  stream.addEventListener('remoteCloseWrite', () => queue.end());
  stream.addEventListener('close', ({ error }) => queue.end(error));
  return {
    send(message) {
      const frame = new Uint8Array(4 + message.length);
      new DataView(frame.buffer).setUint32(0, message.length);
      frame.set(message, 4);
      return stream.send(frame) ? SENT : once(stream, 'drain');
    },
    [Symbol.asyncIterator]: () => queue,
    async close() {
      if (stream.status === 'open') await stream.close();
      await closed;
    },
  };
}

/** `u32 length || body` out of chunks that may be lists of arrays. */
class Parser {
  #emit;
  #header = new Uint8Array(4);
  #headerBytes = 0;
  #body;
  #have = 0;

  constructor(emit) {
    this.#emit = emit;
  }

  push(data) {
    for (const chunk of data instanceof Uint8Array ? [data] : data) this.#take(chunk);
  }

  #take(chunk) {
    let at = 0;
    while (at < chunk.length) {
      if (this.#body === undefined) {
        this.#header[this.#headerBytes++] = chunk[at++];
        if (this.#headerBytes < 4) continue;
        this.#headerBytes = 0;
        this.#have = 0;
        this.#body = new Uint8Array(new DataView(this.#header.buffer).getUint32(0));
        continue;
      }
      const end = Math.min(chunk.length, at + this.#body.length - this.#have);
      this.#body.set(chunk.subarray(at, end), this.#have);
      this.#have += end - at;
      at = end;
      if (this.#have < this.#body.length) continue;
      const message = this.#body;
      this.#body = undefined;
      this.#emit(message);
    }
  }
}

const SENT = Promise.resolve();
