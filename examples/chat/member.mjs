// A member of the chat, in the process of its connection.

/** Messages that may wait for a client; a slower one is disconnected, and catches up when it is back. */
const MAX_WAITING = 1000;

export class Member {
  name = 'someone';
  #waiting = 0;
  #sent = Promise.resolve();

  constructor(client) {
    this.client = client;
  }

  /** Sends messages after those given before. */
  give(messages) {
    if (++this.#waiting > MAX_WAITING) return this.client.destroy();
    this.#sent = this.#sent.then(() => this.#send(messages)).catch(() => this.client.destroy());
  }

  async #send(messages) {
    for await (const message of messages) await this.client.send(encode({ type: 'message', ...message }));
    this.#waiting--;
  }
}

export function encode(message) {
  return new TextEncoder().encode(JSON.stringify(message));
}
