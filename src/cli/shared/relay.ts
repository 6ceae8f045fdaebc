import { afterTick } from '../../connection/turn.js';
import type { SecureClient } from '../../index.js';
import { stopOf } from './close-codes.js';
import type { Plain } from './plain.js';

/** So much may wait to be written in either direction before reading for it pauses, in bytes. */
const READ_AHEAD = 2 ** 20;

/**
 * Carries bytes both ways between a plain connection and a sealed one. Each direction ends as it did at its source. If
 * one is cut off, so is everything, the plain connection with a reset: its peer must not take the cut for an end.
 * Rejects with the reason.
 */
export async function relay(plain: Plain, sealed: SecureClient): Promise<void> {
  let failure: { readonly error: unknown } | undefined;
  const cut = (error: unknown): void => {
    failure ??= { error };
    plain.destroy();
    sealed.destroy(error instanceof Error ? error : undefined);
  };
  const writer = new PlainWriter(plain);
  await Promise.all([toSealed(plain, sealed, writer).catch(cut), toPlain(sealed, writer).catch(cut)]);
  await sealed.close();
  if (failure) throw failure.error;
}

function toSealed(plain: Plain, sealed: SecureClient, writer: PlainWriter): Promise<void> {
  const { transport } = plain;
  return new Promise((resolve, reject) => {
    let unsent = 0;
    let isPaused = false;
    const send = async (bytes: Uint8Array): Promise<void> => {
      unsent += bytes.length;
      if (unsent > READ_AHEAD && !isPaused) {
        isPaused = true;
        transport.pause();
      }
      await sealed.send(bytes);
      unsent -= bytes.length;
      if (isPaused && unsent <= READ_AHEAD / 2) {
        isPaused = false;
        transport.resume();
      }
    };
    transport.start({
      // the bytes are lent, and sending may have to wait
      data: (bytes) => void send(bytes.slice()).catch(reject),
      end: () => void sealed.end().then(resolve, reject),
      written: () => writer.written(),
      close: (error) => {
        writer.written();
        reject(error ?? plain.reason ?? new Error('the plain side was closed'));
      },
    });
  });
}

async function toPlain(sealed: SecureClient, writer: PlainWriter): Promise<void> {
  for await (const message of sealed) {
    writer.write(message);
    if (writer.isFull) await writer.room();
  }
  const why = stopOf(sealed);
  if (why !== undefined) throw new Error(why);
  writer.end();
}

/** Writes together what comes in one tick. */
class PlainWriter {
  readonly #transport: Plain['transport'];
  #gathered: Uint8Array[] = [];
  #bytes = 0;
  #hasRoom: () => void = () => {};

  constructor({ transport }: Plain) {
    this.#transport = transport;
  }

  get isFull(): boolean {
    return this.#bytes + this.#transport.pending > READ_AHEAD;
  }

  write(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    if (this.#gathered.push(bytes) === 1) afterTick(() => this.#flush());
  }

  /** Resolves when there is room again, or will never be: then reading fails as well. */
  room(): Promise<void> {
    return new Promise((resolve) => {
      this.#hasRoom = resolve;
    });
  }

  /** The transport has completed a write, or will complete none any more. */
  written(): void {
    if (!this.isFull) this.#hasRoom();
  }

  end(): void {
    this.#flush();
    this.#transport.end();
  }

  #flush(): void {
    const gathered = this.#gathered;
    this.#gathered = [];
    this.#bytes = 0;
    this.#transport.write(gathered);
  }
}
