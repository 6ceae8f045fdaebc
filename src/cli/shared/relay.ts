import { connectionOf } from '../../client/client.js';
import { onAbort } from '../../connection/on-abort.js';
import { PausedProbe } from '../../connection/paused-probe.js';
import { RelayCut, whenSent } from '../../connection/relay-cut.js';
import type { SecureClient } from '../../index.js';
import { stopOf } from './close-codes.js';
import { whenGone } from './gone.js';
import { PLAIN_PROBE_INTERVAL, type Plain } from './plain.js';
import { PlainWriter, READ_AHEAD } from './plain-writer.js';

/** Options of a relay. */
export interface RelayOptions {
  /** Aborts the relay, which rejects with the reason. */
  readonly stop: AbortSignal;
  /** The settle time after the first bytes to the plain side in milliseconds, see {@link PlainWriter}. */
  readonly settle?: number;
  /** Data for the plain side that was received already. */
  readonly first?: Uint8Array;
}

/**
 * Carries bytes both ways between a plain connection and a sealed one. Each direction ends as it did at its source.
 * If one is cut off, both connections are, the plain one with a reset: its peer must not mistake the cut for an end.
 * Rejects with the reason.
 */
export function relay(plain: Plain, sealed: SecureClient, options: RelayOptions): Promise<void> {
  return new Relay(plain, sealed, options).run();
}

/**
 * Each direction waits only for the side that it writes to, so that while it waits for room it would not notice
 * that the side it reads from is gone. Therefore a premature end of either connection cuts both, and wakes every
 * waiting call; the other one behind what had arrived before, if its reader takes that.
 *
 * An end in order of one direction leaves the other open: programs send a request, end their half and read the answer.
 * The hard part is to tell that from a cut, where nothing but the order of events says so. The plain side is through
 * when its end has come and all that was to be written to it is written; closed before, it was cut. The sealed side
 * has ended in order if it has a close code.
 *
 * Memory: bytes of the plain side are copied, since they are the transport's again after the call. While more than
 * {@link READ_AHEAD} of them wait to be sent, the plain side is not read from, and the probe watches for the reset that
 * a socket which is not read from does not report. Towards the plain side the bound is that of the writer.
 */
class Relay {
  readonly #plain: Plain;
  readonly #sealed: SecureClient;
  readonly #stop: AbortSignal;
  readonly #writer: PlainWriter;
  readonly #probe: PausedProbe;
  readonly #cut: RelayCut;
  #plainHasEnded = false;
  #unsent = 0;
  #isPaused = false;

  constructor(plain: Plain, sealed: SecureClient, { stop, settle = 0, first }: RelayOptions) {
    this.#plain = plain;
    this.#sealed = sealed;
    this.#stop = stop;
    this.#writer = new PlainWriter(plain, settle);
    this.#probe = new PausedProbe(plain.transport, PLAIN_PROBE_INTERVAL);
    this.#cut = new RelayCut((error) => this.#cutOff(error));
    if (first) this.#writer.write(first);
  }

  async run(): Promise<void> {
    const stop = (): void => this.#cut.now(this.#stop.reason);
    const unfollow = onAbort(this.#stop, stop);
    if (this.#stop.aborted) stop();
    const toPlain = this.#toPlain();
    const onSealedCut = (error: unknown): void =>
      this.#cut.after(async () => {
        await toPlain.catch(() => {});
        await whenSent(this.#writer);
      }, error);
    void whenGone(this.#sealed).then(() => this.#onSealedClose(onSealedCut));
    await Promise.all([this.#toSealed().catch(onSealedCut), toPlain.catch(onSealedCut)]);
    if (this.#cut.failure) await this.#cut.done;
    await this.#sealed.close();
    unfollow();
    this.#probe.stop();
    if (this.#cut.failure) throw this.#cut.failure.error;
  }

  #cutOff(error: unknown): void {
    this.#plain.destroy();
    this.#sealed.destroy(error instanceof Error ? error : undefined);
    this.#writer.abandon();
  }

  /** Unless its peer has ended in order: then earlier data is still to be written. */
  #onSealedClose(cut: (error: unknown) => void): void {
    if (this.#sealed.closeCode !== undefined) return;
    // rejects with the reason if the connection had not ended in order
    this.#sealed.end().then(() => cut(new Error('the sealed connection was cut off')), cut);
  }

  #onPlainCut(error: unknown): void {
    this.#writer.abandon();
    this.#cut.after(() => whenSent(connectionOf(this.#sealed)), error);
  }

  /** Resolves when the plain side has ended and all its data is sent; rejects if it is gone before that. */
  #toSealed(): Promise<void> {
    const { transport } = this.#plain;
    return new Promise((resolve, reject) => {
      transport.start({
        // the bytes are only valid during this call, and sending may have to wait
        data: (bytes) => {
          this.#writer.onReceive(bytes);
          void this.#send(new Uint8Array(bytes)).catch(reject);
        },
        end: () => {
          this.#plainHasEnded = true;
          void this.#sealed.end().then(resolve, reject);
        },
        written: () => this.#writer.onWritten(),
        close: (error) => {
          const isThrough = this.#plainHasEnded && this.#writer.isFinished;
          if (isThrough && error === undefined) return;
          this.#onPlainCut(error ?? this.#plain.reason ?? new Error('the plain side was closed'));
          reject(error);
        },
      });
    });
  }

  async #send(bytes: Uint8Array): Promise<void> {
    const { transport } = this.#plain;
    this.#unsent += bytes.length;
    if (this.#unsent > READ_AHEAD && !this.#isPaused) {
      this.#isPaused = true;
      transport.pause();
      this.#probe.setPaused(true);
    }
    await this.#sealed.send(bytes);
    this.#unsent -= bytes.length;
    if (this.#isPaused && this.#unsent <= READ_AHEAD / 2) {
      this.#isPaused = false;
      transport.resume();
      this.#probe.setPaused(false);
    }
  }

  async #toPlain(): Promise<void> {
    for await (const message of this.#sealed) {
      this.#writer.write(message);
      if (this.#writer.isFull && !(await this.#writer.room())) return;
    }
    const why = stopOf(this.#sealed);
    if (why !== undefined) throw new Error(why);
    this.#writer.end();
  }
}
