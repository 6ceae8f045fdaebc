import { setTimeout as pause } from 'node:timers/promises';
import { bunWebSocket, type Transport } from 'secure-sockets';
import { describe, expect, it } from 'vitest';
import { record } from './helpers/transport-log.js';

describe('bunWebSocket()', () => {
  /** A socket of `Bun.serve` as its documentation has it. */
  class FakeSocket {
    readonly remoteAddress = '192.0.2.7';
    readonly sent: Uint8Array[] = [];
    buffered = 0;
    closed: unknown[] = [];

    sendBinary(data: Uint8Array): number {
      this.sent.push(data);
      if (this.buffered === 0) return data.length;
      this.buffered += data.length;
      return -1;
    }

    getBufferedAmount(): number {
      return this.buffered;
    }

    close(...how: unknown[]): void {
      this.closed.push(how);
    }

    terminate(): void {
      this.closed.push('terminated');
    }
  }

  it('makes a transport of each socket, which is told what the shared handlers are', async () => {
    const transports: Transport[] = [];
    const handlers = bunWebSocket((transport) => void transports.push(transport));
    const [one, two] = [new FakeSocket(), new FakeSocket()];
    for (const socket of [one, two]) handlers.open(socket);
    const logs = transports.map(record);
    expect(transports.map(({ remoteAddress }) => remoteAddress)).toEqual(['192.0.2.7', '192.0.2.7']);
    handlers.message(two, new Uint8Array(5));
    expect(logs.map(({ received }) => received())).toEqual([0, 5]);
    handlers.message(one, 'text');
    await expect.poll(() => logs[0]?.error?.code).toBe('PROTOCOL');
    expect(one.closed).toEqual([[4003, 'PROTOCOL'], 'terminated']);
    handlers.close(two, 1006, '');
    await expect.poll(() => logs[1]?.error?.code).toBe('TRANSPORT_FAILED');
  });

  it('copies messages, which Bun brings as Buffers, and gives the copies away', () => {
    let transport: Transport | undefined;
    const handlers = bunWebSocket((made) => {
      transport = made;
    });
    const socket = new FakeSocket();
    handlers.open(socket);
    const message = Buffer.alloc(5, 1);
    handlers.message(socket, message);
    message.fill(2);
    const received: number[] = [];
    const nothing = (): void => {};
    // it cannot be paused: what is not given away would wait for a turn
    const data = (bytes: Uint8Array, isGiven?: boolean): void =>
      void received.push(...bytes, Number(isGiven), bytes.buffer.byteLength);
    transport?.start({ data, end: nothing, written: nothing, close: nothing });
    return expect.poll(() => received).toEqual([1, 1, 1, 1, 1, 1, 5]);
  });

  it('waits for drain', async () => {
    let transport: Transport | undefined;
    const handlers = bunWebSocket((made) => {
      transport = made;
    });
    const socket = new FakeSocket();
    handlers.open(socket);
    record(transport as Transport);
    socket.buffered = 1;
    transport?.write([new Uint8Array(600_000)]);
    await pause(20);
    expect(transport?.pending).toBe(600_000);
    expect(transport?.unsent).toBe(600_001);
    socket.buffered = 0;
    handlers.drain(socket);
    expect(transport?.pending).toBe(0);
  });
});
