// Who is in the chat, at the process that its connection belongs to.

/** Messages that may wait for a client; one that takes them more slowly is cut off, and catches up when it is back. */
const MAX_WAITING = 1000;

export class Member {
  name = 'someone';
  #waiting = 0;
  #sent = Promise.resolve();

  constructor(client) {
    this.client = client;
  }

  /** Sends messages behind those given before. */
  give(messages) {
    if (++this.#waiting > MAX_WAITING) return this.client.destroy();
    this.#sent = this.#sent.then(() => this.#send(messages)).catch(() => this.client.destroy());
  }

  async #send(messages) {
    for await (const message of messages) await this.client.send(encode({ type: 'said', ...message }));
    this.#waiting--;
  }
}

export function encode(message) {
  return new TextEncoder().encode(JSON.stringify(message));
}
