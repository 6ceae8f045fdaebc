// What crosses the wire, and how it is shown.
import { messagePort, SecureClient, SecureServer } from 'secure-sockets';

/** A transport that keeps what it carries, as an eavesdropper would, until it is taken. */
export class Tap {
  #transport;
  #sent = [];
  #received = [];
  #onWritten = () => {};

  constructor(transport) {
    this.#transport = transport;
  }

  /** The transport to be used in the place of the tapped one. */
  get transport() {
    const inner = this.#transport;
    return {
      start: (events) => {
        const data = (bytes) => {
          this.#received.push(bytes.slice());
          events.data(bytes);
        };
        // no place of the receiver's own, so that all bytes pass here
        inner.start({
          data,
          end: () => events.end(),
          written: () => events.written(),
          close: (error) => events.close(error),
        });
      },
      write: (chunks) => {
        for (const chunk of chunks) this.#sent.push(chunk.slice());
        inner.write(chunks);
        this.#onWritten();
      },
      get pending() {
        return inner.pending;
      },
      pause: () => inner.pause(),
      resume: () => inner.resume(),
      end: () => inner.end(),
      destroy: (error) => inner.destroy(error),
    };
  }

  /** What was sent since it was last taken. */
  takeSent() {
    return join(this.#sent.splice(0));
  }

  /** The same, once there is something: what `send()` was given is written at the end of a tick. */
  async awaitSent() {
    if (this.#sent.length === 0)
      await new Promise((resolve) => {
        this.#onWritten = resolve;
      });
    return this.takeSent();
  }

  /** What was received since it was last taken. */
  takeReceived() {
    return join(this.#received.splice(0));
  }
}

function join(chunks) {
  const all = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

/** A client and a server in this page, connected by a MessageChannel. `stop` ends both. */
export async function connectPair({ identity, pin = identity.fingerprint, ...options }) {
  const { port1, port2 } = new MessageChannel();
  const server = new SecureServer({ identity, ...options, onHandshakeError: () => {} });
  const tap = new Tap(messagePort(port1));
  const client = new SecureClient({ serverKey: pin, ...options });
  const stop = async () => {
    client.destroy();
    await server.close({ timeout: 0 });
  };
  try {
    const accepted = server.accept();
    accepted.catch(() => {});
    await server.attach(messagePort(port2));
    await client.connect(tap.transport);
    return { client, far: await accepted, tap, stop };
  } catch (error) {
    await stop();
    throw Object.assign(error, { tap });
  }
}

const SHOWN = 96;

/** An element with bytes in hexadecimal, the length of a record apart. */
export function hexElement(bytes, lengthBytes = 0) {
  const element = document.createElement('p');
  element.className = 'hex';
  const hex = (part) => Array.from(part, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const length = document.createElement('span');
  length.className = 'length';
  length.textContent = hex(bytes.subarray(0, lengthBytes));
  const more = bytes.length > SHOWN ? ` … ${bytes.length - SHOWN} bytes more` : '';
  element.append(length, ` ${hex(bytes.subarray(lengthBytes, SHOWN))}${more}`);
  return element;
}

const wire = document.getElementById('wire');
const MAX_ROWS = 100;

/** Adds what was said and what crossed the wire for it. */
export function addRow(who, said, bytes, isRecord = true) {
  const row = document.createElement('li');
  const left = document.createElement('div');
  const whoElement = document.createElement('div');
  whoElement.className = 'who';
  whoElement.textContent = `${who}, ${bytes.length} bytes on the wire`;
  const saidElement = document.createElement('div');
  saidElement.className = 'said';
  saidElement.textContent = said;
  left.append(whoElement, saidElement);
  row.append(left, hexElement(bytes, isRecord ? 3 : 0));
  wire.append(row);
  while (wire.children.length > MAX_ROWS) wire.firstChild.remove();
  wire.scrollTop = wire.scrollHeight;
}
