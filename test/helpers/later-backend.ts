import { node } from '../../backends/node.js';
import type { Aead, Backend, RsaPublicKey } from '../../src/backend.js';
import type { Chunk } from '../../src/core/script.js';
import { laterKem } from './later-kem.js';
import { Recorder } from './recorder.js';
import { settle } from './sealed-ends.js';

const kem = await node.mlKem768();

const never = (): never => {
  throw new Error('computed at once what the platform computes elsewhere');
};

/** What a platform may compute elsewhere. */
type LaterParts = Pick<Backend, 'x25519Later' | 'mlKem768Later'> & {
  readonly rsa: NonNullable<RsaPublicKey['later']>;
};

/**
 * The node backend as a platform that computes everything elsewhere, and records from `minLength` bytes on. What could
 * be computed at once as well fails.
 */
export function laterBackend(minLength: number, change: Partial<LaterParts> = {}): Backend {
  return {
    ...node,
    x25519: never,
    mlKem768: never,
    x25519Later: async () => {
      const pair = node.x25519();
      return { publicKey: pair.publicKey, agree: async (key) => pair.agree(key), wipe: () => pair.wipe?.() };
    },
    mlKem768Later: laterKem(kem),
    aesGcm: (key) => laterAead(node.aesGcm(key), minLength),
    chaCha20Poly1305: (key) => laterAead(node.chaCha20Poly1305(key), minLength),
    ...change,
    rsaPublicKey: (numbers) => {
      const own = node.rsaPublicKey(numbers);
      const later: LaterParts['rsa'] = {
        encryptOaep: async (...given) => own.encryptOaep(...given),
        verifyPss: async (...given) => own.verifyPss(...given),
        ...change.rsa,
      };
      return { ...own, modulusLength: own.modulusLength, encryptOaep: never, verifyPss: never, later };
    },
  };
}

/** A cipher whose results come later, though it has read what it was given by the end of the call. */
export function laterAead(own: Aead, minLength: number): Aead {
  return {
    seal: (...given) => own.seal(...given),
    open: (...given) => own.open(...given),
    wipe: () => own.wipe?.(),
    later: {
      minLength,
      seal: (...given) => Promise.resolve(own.seal(...given).map((chunk) => chunk.slice())),
      open: (...given) => Promise.resolve(own.open(...given)?.slice() ?? null),
    },
  };
}

/** A recorder of scripts whose chunks may be ready later, and which notes what kinds of steps they waited for. */
export class PatientRecorder extends Recorder {
  /** Chunks of each write. */
  readonly flights: (readonly Chunk[])[] = [];
  readonly kinds: Set<string> = new Set();
  #waiting: Chunk[] = [];

  override write(chunks: readonly Chunk[]): void {
    this.flights.push(chunks);
    this.#waiting.push(...chunks);
  }

  /** Performs what is to be performed, and gives what was written since the last call, as one. */
  async finish(): Promise<Uint8Array> {
    await settle(this, ({ kind }) => this.kinds.add(kind));
    const waiting = this.#waiting;
    this.#waiting = [];
    const pieces = await Promise.all(
      waiting.map(async (each) => ('bytes' in each ? await each.bytes : [each])),
    );
    for (const [i, each] of waiting.entries()) {
      const length = pieces[i]?.reduce((sum, piece) => sum + piece.length, 0);
      if (each.length !== length) throw new Error(`${each.length} bytes were announced, not ${length}`);
    }
    return new Uint8Array(Buffer.concat(pieces.flat()));
  }
}

/** Carries bytes to and fro and performs tasks until both ends are quiet. */
export async function conversePatiently(client: PatientRecorder, server: PatientRecorder): Promise<void> {
  for (;;) {
    const [toServer, toClient] = [await client.finish(), await server.finish()];
    if (toServer.length + toClient.length + client.tasks.length + server.tasks.length === 0) return;
    server.session.receive(toServer);
    client.session.receive(toClient);
  }
}
