// A client of the chat that comes back on its own and loses nothing.
import { randomUUID } from 'node:crypto';
import { reconnecting, SecureSocketError } from 'secure-sockets';

export class Chat {
  /** Messages that are not known to be delivered, in order. */
  #outbox = new Map();
  /** The place of the last message that was shown. */
  #last = '0-0';
  #client;
  #isLeaving = false;
  #options;

  /** `options`: name, onMessage({ place, name, text }), onConnected(client). */
  constructor(options) {
    this.#options = options;
  }

  /** Sends a message; settles when the log has it, over as many connections as that takes. */
  say(text) {
    const message = { type: 'say', id: randomUUID(), text };
    return new Promise((resolve) => {
      this.#outbox.set(message.id, { message, resolve });
      // if that fails the connection is over, which run() notices; the message stays in the outbox
      this.#client?.send(encode(message)).catch(() => {});
    });
  }

  /** Ends the connection in order, if there is one, and makes no other. */
  async leave() {
    this.#isLeaving = true;
    await this.#client?.close();
  }

  /** Stays connected until `leave()`, or until the signal aborts. */
  async run(to, options, signal) {
    const retry = { signal, initialDelay: 50, maxDelay: 2000 };
    try {
      for await (const client of reconnecting(to, options, retry)) {
        await this.#stay(client);
        if (this.#isLeaving) return;
      }
    } catch (error) {
      if (!signal?.aborted) throw error;
    }
  }

  async #stay(client) {
    this.#options.onConnected?.(client);
    try {
      await Promise.all([this.#greet(client), this.#read(client)]);
    } catch (error) {
      if (!(error instanceof SecureSocketError) || error.blame === 'caller') throw error;
    } finally {
      this.#client = undefined;
    }
  }

  /** Sends name and position, and again all messages that may not have arrived: the server ignores those it has. */
  async #greet(client) {
    await client.send(encode({ type: 'join', name: this.#options.name, after: this.#last }));
    for (const { message } of this.#outbox.values()) await client.send(encode(message));
    this.#client = client;
  }

  async #read(client) {
    for await (const data of client) {
      const message = JSON.parse(new TextDecoder().decode(data));
      if (message.type === 'delivered') this.#onDelivery(message.id);
      else this.#show(message);
    }
  }

  #onDelivery(id) {
    const waiting = this.#outbox.get(id);
    this.#outbox.delete(id);
    waiting?.resolve();
  }

  #show(message) {
    this.#options.onMessage?.(message);
    this.#last = message.place;
  }
}

function encode(message) {
  return new TextEncoder().encode(JSON.stringify(message));
}
