/** Captures for Wireshark: written from what passes a proxy, or taken from the loopback interface. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

interface Side {
  readonly port: number;
  /** The sequence number of the next byte. */
  at: number;
}

/** A TCP proxy on 127.0.0.1 that keeps what passes as packets of a pcap file, each with `segment` bytes at most. */
export class CaptureProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #segment: number;
  readonly #packets: Buffer[] = [];
  readonly #sockets = new Set<Socket>();

  private constructor(target: number, segment: number) {
    this.#segment = segment;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) =>
      this.#accept(client, target),
    );
  }

  static async listen(target: number, segment = 1400): Promise<CaptureProxy> {
    const proxy = new CaptureProxy(target, segment);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The capture so far: pcap, packets of IP. */
  get pcap(): Buffer {
    const header = Buffer.alloc(24);
    header.writeUInt32LE(0xa1b2c3d4, 0);
    header.writeUInt16LE(2, 4);
    header.writeUInt16LE(4, 6);
    header.writeUInt32LE(65_535, 16);
    header.writeUInt32LE(RAW_IP, 20);
    return Buffer.concat([header, ...this.#packets]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket, target: number): void {
    const server = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    const sides: [Side, Side] = [
      { port: client.remotePort as number, at: 1000 },
      { port: this.port, at: 5000 },
    ];
    this.#pass(client, server, ...sides);
    this.#pass(server, client, sides[1], sides[0]);
  }

  #pass(from: Socket, to: Socket, own: Side, peer: Side): void {
    this.#sockets.add(from);
    from.on('error', () => {});
    from.on('data', (chunk) => {
      for (let at = 0; at < chunk.length; at += this.#segment) {
        this.#packet(own, peer, chunk.subarray(at, at + this.#segment));
      }
    });
    from.pipe(to);
  }

  #packet(own: Side, peer: Side, payload: Uint8Array): void {
    const packet = Buffer.alloc(16 + 40);
    const length = 40 + payload.length;
    packet.writeUInt32LE(this.#packets.length + 1, 0);
    packet.writeUInt32LE(length, 8);
    packet.writeUInt32LE(length, 12);
    const ip = packet.subarray(16);
    ip[0] = 0x45;
    ip.writeUInt16BE(length, 2);
    ip.set([64, 6], 8);
    ip.set([127, 0, 0, 1, 127, 0, 0, 1], 12);
    const tcp = ip.subarray(20);
    tcp.writeUInt16BE(own.port, 0);
    tcp.writeUInt16BE(peer.port, 2);
    tcp.writeUInt32BE(own.at, 4);
    tcp.writeUInt32BE(peer.at, 8);
    tcp.set([0x50, 0x18, 0xff, 0xff], 12);
    own.at += payload.length;
    this.#packets.push(Buffer.concat([packet, payload]));
  }
}

/** LINKTYPE_RAW of pcap: a packet begins with its IP header. */
const RAW_IP = 101;
