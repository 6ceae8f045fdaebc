import { once } from 'node:events';
import { noise } from '@chainsafe/libp2p-noise';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { defaultLogger } from '@libp2p/logger';
import { tcp } from '@libp2p/tcp';
import { multiaddr } from '@multiformats/multiaddr';
import { frame } from './libp2p-frames.mjs';

// libp2p needs Node 22
Promise.withResolvers ??= function withResolvers() {
  const parts = {};
  parts.promise = new this((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
};

const logger = defaultLogger();
/** Without multiplexing and negotiation: only the Noise connection is measured. */
export const alone = { skipStreamMuxerNegotiation: true };
/** Of both ends, and of servers for pages. */
export const encrypter = noise()({
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
