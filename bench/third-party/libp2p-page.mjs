// The page's end of @libp2p/websockets with Noise, bundled for browsers.
import { noise } from '@chainsafe/libp2p-noise';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { defaultLogger } from '@libp2p/logger';
import { webSockets } from '@libp2p/websockets';
import { multiaddr } from '@multiformats/multiaddr';
import { frame } from './libp2p-frames.mjs';

const logger = defaultLogger();
/** Without multiplexing and negotiation: only the Noise connection is measured. */
const alone = { skipStreamMuxerNegotiation: true };
const encrypter = noise()({
  logger,
  privateKey: await generateKeyPair('Ed25519'),
  upgrader: { getStreamMuxers: () => new Map() },
});
const transport = webSockets()({ logger });

export async function open({ libp2pPort }) {
  const upgrader = {
    upgradeOutbound: async (raw) => (await encrypter.secureOutbound(raw, alone)).connection,
  };
  const { signal } = new AbortController();
  const address = multiaddr(`/ip4/127.0.0.1/tcp/${libp2pPort}/ws`);
  const connection = frame(await transport.dial(address, { upgrader, signal }));
  const messages = connection[Symbol.asyncIterator]();
  return {
    send: (message) => connection.send(message),
    recv: async () => (await messages.next()).value,
    close: () => connection.close(),
  };
}
