// The page's end of bench/browser.mjs, bundled for browsers. Every function makes a connection of its own.
import { SecureClient, webSocket } from 'secure-sockets';

const SIZE = 65_536;

async function openSealed({ url, serverKey }) {
  const client = new SecureClient({ serverKey });
  await client.connect(webSocket(url));
  return client;
}

/** The WebSocket alone, with the same methods. `send` does not wait: that is the fastest that a page can do. */
async function openRaw({ url }) {
  const socket = new WebSocket(`${url}raw`);
  socket.binaryType = 'arraybuffer';
  const messages = [];
  let deliver;
  socket.onmessage = ({ data }) => {
    const message = new Uint8Array(data);
    if (deliver === undefined) messages.push(message);
    else deliver = void deliver(message);
  };
  await new Promise((resolve, reject) => Object.assign(socket, { onopen: resolve, onerror: reject }));
  const receive = (resolve) => {
    if (messages.length > 0) resolve(messages.shift());
    else deliver = resolve;
  };
  return {
    send: (message) => socket.send(message),
    recv: () => new Promise(receive),
    close: () => socket.close(),
  };
}

/** @libp2p/websockets with Noise, which the server has bundled apart. */
async function openLibp2p(where) {
  const { open } = await import(`${location.origin}/libp2p.js`);
  return open(where);
}

const openers = { raw: openRaw, sealed: openSealed, libp2p: openLibp2p };
const open = (where, contender) => openers[contender](where);

/** Opens, tells the server what to do, works and closes. */
async function converse(where, contender, order, work) {
  const connection = await open(where, contender);
  await connection.send(new TextEncoder().encode(JSON.stringify(order)));
  const result = await work(connection);
  await connection.close();
  return result;
}

/** Round trips of 64 bytes a second, one after the other. */
export function pingPong(where, contender, milliseconds) {
  return converse(where, contender, { work: 'echo' }, async (connection) => {
    await roundTrips(connection, milliseconds / 2);
    return roundTrips(connection, milliseconds);
  });
}

async function roundTrips(connection, milliseconds) {
  const message = new Uint8Array(64);
  const start = performance.now();
  let count = 0;
  for (; performance.now() - start < milliseconds; count++) {
    message[63] = count;
    await connection.send(message);
    const echo = await connection.recv();
    if (echo?.length !== 64 || echo[63] !== message[63]) throw new Error(`a wrong echo after ${count}`);
  }
  return (count * 1000) / (performance.now() - start);
}

/** MB/s from the server, 64 KiB a message; `givesBack`: whose memory is given back at once. */
export function download(where, contender, megabytes, givesBack = false) {
  const count = countOf(megabytes);
  return converse(where, contender, { work: 'download', size: SIZE, count }, async (connection) => {
    let start;
    for (let index = 0; index < count; index++) {
      const message = await connection.recv();
      if (message?.length !== SIZE || message[0] !== index % 256)
        throw new Error(`message ${index} is wrong`);
      // the first message ends the handshake and the order
      start ??= performance.now();
      if (givesBack) message.buffer.transfer(0);
    }
    return rate(count - 1, start);
  });
}

/** MB/s to the server; the clock stops at its answer, which says how many bytes have arrived. */
export function upload(where, contender, megabytes) {
  const count = countOf(megabytes);
  return converse(where, contender, { work: 'upload', bytes: count * SIZE }, async (connection) => {
    const message = new Uint8Array(SIZE);
    const start = performance.now();
    for (let index = 0; index < count; index++) await connection.send(message);
    const answer = new TextDecoder().decode(await connection.recv());
    if (answer !== String(count * SIZE)) throw new Error(`${answer} bytes have arrived, not ${count * SIZE}`);
    return rate(count, start);
  });
}

/** Milliseconds from the start of the WebSocket to a connection that can send, the mean of `count` one by one. */
export async function handshake(where, contender, count) {
  let total = 0;
  for (let index = 0; index < count; index++) {
    const start = performance.now();
    const connection = await open(where, contender);
    total += performance.now() - start;
    await connection.close();
  }
  return total / count;
}

export async function suite(where) {
  const client = await openSealed(where);
  await client.close();
  return client.suite;
}

const countOf = (megabytes) => Math.ceil((megabytes * 1e6) / SIZE);
const rate = (count, start) => (count * SIZE) / 1000 / (performance.now() - start);
