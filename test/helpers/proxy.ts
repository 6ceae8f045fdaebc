import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { Random } from './random.js';

/** What a direction of a proxied connection suffers. Times in milliseconds, sizes in bytes. */
export interface Faults {
  /** How long each piece is held back, at least and at most; the order stays. */
  readonly delay?: readonly [min: number, max: number];
  /** Pieces are cut into shorter ones, of 1 byte to this many. */
  readonly split?: number;
  /** What comes within so long leaves as one piece. */
  readonly coalesce?: number;
  /** Bytes a second. */
  readonly bandwidth?: number;
  /** Where the direction breaks, and how. */
  readonly breaks?: { readonly after: number; readonly by: Break };
}

/**
 * `reset`: a TCP reset to both ends. `half-close`: the end of this direction, the other goes on. `close`: the end of
 * both. `blackhole`: from here on both directions drop everything silently. `stall`: nothing is read any more, so
 * that the senders' buffers fill.
 */
export type Break = 'reset' | 'half-close' | 'close' | 'blackhole' | 'stall';

/** What a connection through the proxy suffers. */
export interface Damage {
  readonly toServer?: Faults;
  readonly toClient?: Faults;
}

/** How much a direction holds before it stops reading. */
const ROOM = 256 * 1024;

/** A TCP proxy on 127.0.0.1 that damages what passes through it in a way that can be repeated. */
export class FaultProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #target: number;
  readonly #damage: (index: number) => Damage;
  readonly #random: Random;
  readonly #links = new Set<Link>();
  #count = 0;
  #passedBefore = { toServer: 0, toClient: 0 };

  private constructor(target: number, damage: (index: number) => Damage, seed: number) {
    this.#target = target;
    this.#damage = damage;
    this.#random = new Random(seed);
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
  }

  /** A proxy to a port; `damage` says what the connection of each number suffers, counted from 0. */
  static async listen(
    target: number,
    damage: Damage | ((index: number) => Damage) = {},
    seed = 1,
  ): Promise<FaultProxy> {
    const proxy = new FaultProxy(target, typeof damage === 'function' ? damage : () => damage, seed);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  /** Where to connect to. */
  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** Connections that are not over. */
  get open(): number {
    return this.#links.size;
  }

  /** Bytes passed on so far, by direction, ended connections included. */
  get passed(): { readonly toServer: number; readonly toClient: number } {
    return this.#sum(...this.#links);
  }

  /** Breaks all connections in the same way, now. */
  break(by: Break): void {
    for (const link of this.#links) link.break(by, link.toServer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.break('reset');
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #sum(...links: readonly Link[]): { toServer: number; toClient: number } {
    let { toServer, toClient } = this.#passedBefore;
    for (const link of links) {
      toServer += link.toServer.passed;
      toClient += link.toClient.passed;
    }
    return { toServer, toClient };
  }

  #accept(client: Socket): void {
    const server = connect({
      port: this.#target,
      host: '127.0.0.1',
      allowHalfOpen: true,
      noDelay: true,
    });
    const link = new Link(client, server, this.#damage(this.#count++), this.#random.fork());
    this.#links.add(link);
    void link.over.then(() => {
      this.#passedBefore = this.#sum(link);
      this.#links.delete(link);
    });
  }
}

/** The two directions of one connection. */
class Link {
  readonly over: Promise<unknown>;
  readonly toServer: Direction;
  readonly toClient: Direction;
  readonly #sockets: readonly Socket[];
  #isBlackholed = false;

  constructor(client: Socket, server: Socket, damage: Damage, random: Random) {
    this.#sockets = [client, server];
    const onBreak = (by: Break, direction: Direction): void => this.break(by, direction);
    this.toServer = new Direction(client, server, damage.toServer ?? {}, random.fork(), onBreak);
    this.toClient = new Direction(server, client, damage.toClient ?? {}, random.fork(), onBreak);
    this.over = Promise.all(this.#sockets.map((socket) => new Promise((gone) => socket.on('close', gone))));
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      socket.on('error', () => {
        if (!this.#isBlackholed) other.resetAndDestroy();
      });
      socket.on('end', () => this.#forget());
      socket.on('close', () => {
        if (this.#isBlackholed) this.#forget();
        else if (!other.destroyed && !(socket.readableEnded && other.readableEnded)) other.destroySoon();
      });
    }
  }

  break(by: Break, direction: Direction): void {
    if (by === 'half-close') direction.end();
    else if (by === 'reset') for (const socket of this.#sockets) socket.resetAndDestroy();
    else this.#breakBoth(by);
  }

  /** Neither end of a blackholed connection is told of the other; once both have given up it need not be kept. */
  #forget(): void {
    if (this.#isBlackholed && this.#sockets.every((socket) => socket.readableEnded || socket.destroyed))
      for (const each of this.#sockets) each.destroy();
  }

  #breakBoth(by: Break): void {
    this.#isBlackholed ||= by === 'blackhole';
    for (const each of [this.toServer, this.toClient]) {
      if (by === 'close') each.end();
      else if (by === 'blackhole') each.swallow();
      else each.stall();
    }
  }
}

/** A piece on its way. */
interface Piece {
  readonly bytes: Uint8Array;
  readonly due: number;
}

class Direction {
  passed = 0;
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #faults: Faults;
  readonly #random: Random;
  readonly #broken: (by: Break, direction: Direction) => void;
  #pieces: Piece[] = [];
  #held = 0;
  #due = 0;
  #isOver = false;
  #isStalled = false;
  #isEnding = false;
  #isWriting = false;

  constructor(
    from: Socket,
    to: Socket,
    faults: Faults,
    random: Random,
    onBreak: (by: Break, direction: Direction) => void,
  ) {
    this.#from = from;
    this.#to = to;
    this.#faults = faults;
    this.#random = random;
    this.#broken = onBreak;
    from.on('data', (chunk: Buffer) => this.#take(chunk));
    from.on('end', () => {
      this.#isEnding = true;
      void this.#write();
    });
  }

  /** Nothing more goes this way, and the receiver is told. */
  end(): void {
    this.swallow();
    this.#to.end();
  }

  /** Drops everything in this direction silently. */
  swallow(): void {
    this.#isOver = true;
    this.#pieces = [];
    this.#from.resume();
  }

  /** Nothing is read from here on. */
  stall(): void {
    this.#isStalled = true;
    this.#from.pause();
  }

  #take(chunk: Buffer): void {
    if (this.#isOver) return;
    const { split = chunk.length } = this.#faults;
    for (let at = 0; at < chunk.length; ) {
      const length = split === chunk.length ? split : 1 + this.#random.below(split);
      const bytes = chunk.subarray(at, at + length);
      at += bytes.length;
      this.#pieces.push({ bytes, due: this.#dueOf(bytes.length) });
    }
    this.#held += chunk.length;
    if (this.#held > ROOM) this.#from.pause();
    void this.#write();
  }

  #dueOf(length: number): number {
    const { delay: [min, max] = [0, 0], bandwidth, coalesce = 0 } = this.#faults;
    const now = performance.now();
    const earliest = now + coalesce + min + this.#random.next() * (max - min);
    const spent = bandwidth === undefined ? 0 : (1000 * length) / bandwidth;
    this.#due = Math.max(this.#due, earliest) + spent;
    return this.#due;
  }

  async #write(): Promise<void> {
    if (this.#isWriting) return;
    this.#isWriting = true;
    for (let piece = this.#next(); piece !== undefined && !this.#isOver; piece = this.#next()) {
      const wait = piece.due - performance.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      if (this.#isOver) break;
      await this.#pass(piece.bytes);
    }
    this.#isWriting = false;
    if (this.#isEnding && !this.#isOver && this.#pieces.length === 0) this.#to.end();
  }

  /** The next piece; with `coalesce`, everything that waits, as one. */
  #next(): Piece | undefined {
    if (this.#faults.coalesce === undefined || this.#pieces.length < 2) return this.#pieces.shift();
    const pieces = this.#pieces;
    this.#pieces = [];
    return { bytes: Buffer.concat(pieces.map(({ bytes }) => bytes)), due: (pieces[0] as Piece).due };
  }

  async #pass(bytes: Uint8Array): Promise<void> {
    const { breaks } = this.#faults;
    const room = breaks === undefined ? bytes.length : breaks.after - this.passed;
    const whole = bytes.subarray(0, Math.min(room, bytes.length));
    this.passed += whole.length;
    this.#held -= bytes.length;
    if (this.#held <= ROOM && this.#from.isPaused() && !this.#isStalled) this.#from.resume();
    if (whole.length > 0 && !this.#to.destroyed) await new Promise((done) => this.#to.write(whole, done));
    if (breaks !== undefined && this.passed >= breaks.after && !this.#isOver) {
      this.#isOver = true;
      this.#broken(breaks.by, this);
    }
  }
}
