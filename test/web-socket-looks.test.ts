import { webSocket } from 'secure-sockets';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

const CHUNK = 256 * 1024;
const MOST = 8 * 1024 * 1024;

/** A WebSocket of the standard as far as its buffer goes, which only the test empties. */
class FullSocket {
  readonly readyState = 1;
  binaryType = '';
  bufferedAmount = 0;

  send(data: Uint8Array): void {
    this.bufferedAmount += data.length;
  }

  close(): void {}

  addEventListener(): void {}
}

/** An upload without an end. */
function startUpload(): FullSocket {
  const socket = new FullSocket();
  const transport = webSocket(socket);
  const written = (): void => transport.write([new Uint8Array(CHUNK)]);
  transport.start({ data: () => {}, end: () => {}, close: () => {}, written });
  written();
  return socket;
}

/** Two of the event loop: what the first does may set a timer in the second. */
async function turns(): Promise<void> {
  await new Promise((resolve) => void setImmediate(resolve));
  await new Promise((resolve) => void setImmediate(resolve));
}

/** What the socket holds after the next look at it, which finds so much. */
async function lookAt(socket: FullSocket, found: number): Promise<number> {
  await turns();
  socket.bufferedAmount = found;
  vi.advanceTimersByTime(2);
  await turns();
  return socket.bufferedAmount;
}

describe('an upload over a WebSocket that does not tell when it is empty', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout'] }));
  afterEach(() => void vi.useRealTimers());

  it('gives more at a time while each look finds it empty, up to 8 MiB', async () => {
    const socket = startUpload();
    const held: number[] = [];
    for (let look = 0; look < 8; look++) held.push(await lookAt(socket, 0));
    expect(held).toEqual([2, 4, 8, 16, 32, 32, 32, 32].map((chunks) => chunks * CHUNK + CHUNK));
    expect(Math.max(...held)).toBe(MOST + CHUNK);
  });

  it('goes on as it is while looks find something, and adds nothing above what counts as taken', async () => {
    const socket = startUpload();
    for (let look = 0; look < 5; look++) await lookAt(socket, 0);
    expect(await lookAt(socket, MOST / 2)).toBe(MOST + CHUNK);
    expect(await lookAt(socket, MOST + 1)).toBe(MOST + 1);
  });

  it('gives little again once looks find it full', async () => {
    const socket = startUpload();
    for (let look = 0; look < 5; look++) await lookAt(socket, 0);
    for (let look = 0; look < 6; look++) expect(await lookAt(socket, MOST + 1)).toBe(MOST + 1);
    expect(await lookAt(socket, CHUNK + 1)).toBe(CHUNK + 1);
    expect(await lookAt(socket, CHUNK)).toBe(2 * CHUNK);
  });

  it('sets no timer from within a timer, which browsers would hold back the longer', async () => {
    const socket = startUpload();
    await turns();
    socket.bufferedAmount = CHUNK + 1;
    vi.advanceTimersByTime(2);
    expect(vi.getTimerCount()).toBe(0);
    await turns();
    expect(vi.getTimerCount()).toBe(1);
  });
});
