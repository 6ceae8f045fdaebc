// The server's end of @libp2p/websockets with Noise, for pages.
import { once } from 'node:events';
import { defaultLogger } from '@libp2p/logger';
import { webSockets } from '@libp2p/websockets';
import { multiaddr } from '@multiformats/multiaddr';
import { frame } from './libp2p-frames.mjs';
import { alone, encrypter } from './libp2p-noise.mjs';

/** Gives each connection to `handle`; resolves to the port and what closes the listener. */
export async function servePages(handle) {
  const upgrader = {
    upgradeInbound: async (raw) => handle(frame((await encrypter.secureInbound(raw, alone)).connection)),
  };
  const listener = webSockets()({ logger: defaultLogger(), events: new EventTarget() }).createListener({
    upgrader,
  });
  const listening = once(listener, 'listening');
  await listener.listen(multiaddr('/ip4/127.0.0.1/tcp/0/ws'));
  await listening;
  const [address] = listener.getAddrs();
  return { port: Number(address.toString().split('/')[4]), close: () => listener.close() };
}
