const DONE = { value: undefined, done: true };
/** From this many unread messages or bytes on, the sender is asked to wait. */
const MOST_MESSAGES = 16_384;
const MOST_BYTES = 4 * 2 ** 20;

/** Messages from callbacks, for an iterator. */
export class MessageQueue {
  #messages = [];
  #at = 0;
  #bytes = 0;
  #reader;
  #hasEnded = false;
  #error;
  #isPaused = false;
  #pause;
  #resume;

  constructor(pause, resume) {
    this.#pause = pause;
    this.#resume = resume;
  }

  push(message) {
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader) {
      reader.resolve({ value: message, done: false });
      return;
    }
    this.#messages.push(message);
    this.#bytes += message.length;
    if (this.#isPaused || (this.#waiting < MOST_MESSAGES && this.#bytes < MOST_BYTES)) return;
    this.#isPaused = true;
    this.#pause();
  }

  end(error) {
    this.#hasEnded = true;
    this.#error ??= error;
    if (this.#error) this.#reader?.reject(this.#error);
    else this.#reader?.resolve(DONE);
    this.#reader = undefined;
  }

  next() {
    if (this.#waiting > 0) return Promise.resolve({ value: this.#take(), done: false });
    if (this.#error) return Promise.reject(this.#error);
    if (this.#hasEnded) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  get #waiting() {
    return this.#messages.length - this.#at;
  }

  #take() {
    const message = this.#messages[this.#at++];
    this.#bytes -= message.length;
    if (this.#at === this.#messages.length) {
      this.#messages = [];
      this.#at = 0;
      if (this.#isPaused) {
        this.#isPaused = false;
        this.#resume();
      }
    }
    return message;
  }
}
