/**
 * A uniform interface to connections, however they are read: by callback (`onmessage`, `onend`, `write`, `whenDrained`),
 * by batches, or message by message with promises. The code of a measurement is the same for all.
 */
export class Conversation {
  #connection;
  #replies;

  constructor(connection) {
    this.#connection = connection;
    if (!isByCallback(connection)) this.#replies = connection[Symbol.asyncIterator]();
  }

  /**
   * Round trips one after the other: `next()` gives each message, `take(reply)` gets each reply and returns whether
   * to continue.
   */
  exchange(next, take) {
    return isByCallback(this.#connection) ? this.#byCallback(next, take) : this.#byPromise(next, take);
  }

  async #byPromise(next, take) {
    for (;;) {
      await this.#connection.send(next());
      const { value, done } = await this.#replies.next();
      if (done) throw prematureEnd();
      if (!take(value)) return;
    }
  }

  #byCallback(next, take) {
    const connection = this.#connection;
    return new Promise((resolve, reject) => {
      connection.onend = (error) => reject(error ?? prematureEnd());
      connection.onmessage = (reply) => {
        try {
          if (take(reply)) connection.write(next());
          else resolve();
        } catch (error) {
          reject(error);
        }
      };
      connection.write(next());
    });
  }
}

/** Sends a message; the promise is for when there is room for more. */
export function sendOne(connection, message) {
  if (!isByCallback(connection)) return connection.send(message);
  return connection.write(message) ? undefined : connection.whenDrained();
}

/** Passes every message to `take` until the peer ends. `take` returns a promise if it has to wait. */
export function takeAll(connection, take, reading) {
  if (isByCallback(connection)) return takeByCallback(connection, take);
  return reading === 'batches' ? takeBatches(connection, take) : takeEach(connection, take);
}

function takeByCallback(connection, take) {
  return new Promise((resolve, reject) => {
    connection.onend = (error) => (error ? reject(error) : resolve());
    connection.onmessage = (message) => {
      try {
        take(message)?.catch(reject);
      } catch (error) {
        reject(error);
      }
    };
  });
}

async function takeBatches(connection, take) {
  for await (const batch of connection.batches())
    for (const message of batch) {
      const waiting = take(message);
      if (waiting !== undefined) await waiting;
    }
}

async function takeEach(connection, take) {
  for await (const message of connection) {
    const waiting = take(message);
    if (waiting !== undefined) await waiting;
  }
}

function isByCallback(connection) {
  return connection.write !== undefined && connection.send === undefined;
}

function prematureEnd() {
  return new Error('the connection ended before the reply came');
}
