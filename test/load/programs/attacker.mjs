// Unauthenticated clients that load a server as much as they can, in one way. Writes a line once the load is on.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { SecureClient } from 'secure-sockets';
import { node } from 'secure-sockets/backends/node';

const { attack, protocol, port, fingerprint } = JSON.parse(process.argv[2]);
const to = { port, host: '127.0.0.1' };
const settle = protocol === 'classic' ? { settleMs: 0 } : {};
const newClient = (options = {}) =>
  new SecureClient({ protocol, serverKey: fingerprint, closeTimeout: 500, ...settle, ...options });

/** Sends ciphertexts that no key decrypts. */
const nonsense = {
  ...node,
  rsaPublicKey: (numbers) => ({
    ...node.rsaPublicKey(numbers),
    encryptOaep: () => randomBytes(numbers.n.length).fill(0, 0, 1),
  }),
};

/** A connection that says nothing by itself; resolves when it is there. */
function raw() {
  return new Promise((resolve) => {
    const socket = connect(to);
    socket.on('error', () => {});
    socket.on('close', () => resolve(undefined));
    socket.on('connect', () => resolve(socket));
    socket.resume();
  });
}

/** Does something over and over, so many side by side. */
function forever(count, act) {
  return Promise.all(
    Array.from({ length: count }, async () => {
      for (;;) await act();
    }),
  );
}

const attacks = {
  /** Whole handshakes, as many as there can be. */
  storm: () =>
    forever(16, async () => {
      const client = newClient();
      await client.connect(to).catch(() => sleep(5));
      client.destroy();
    }),
  /** Handshakes that are right in everything but the ciphertext for the server's key. */
  ciphertexts: () =>
    forever(16, async () => {
      const client = newClient({ backend: nonsense });
      await client.connect(to).catch(() => {});
      client.destroy();
    }),
  /** Handshakes that never end, kept alive a byte at a time. */
  slowloris: () =>
    forever(200, async () => {
      const socket = await raw();
      const bytes = Buffer.concat([Buffer.from('SEAL\x01\x01\x10\x00', 'latin1'), Buffer.alloc(4000)]);
      for (let at = 0; socket !== undefined && !socket.destroyed && at < bytes.length; at++) {
        socket.write(bytes.subarray(at, at + 1));
        await sleep(100);
      }
      await sleep(20);
    }),
  /** More connections than there is room for, none of which says anything. */
  silent: () =>
    forever(400, async () => {
      const socket = await raw();
      while (socket !== undefined && !socket.destroyed) await sleep(50);
      await sleep(50);
    }),
  /** Connections full of nonsense. */
  garbage: () =>
    forever(16, async () => {
      const socket = await raw();
      if (socket === undefined) return sleep(5);
      socket.end(randomBytes(2000));
      await new Promise((resolve) => socket.once('close', resolve));
    }),
  /** Clients that have done their handshake and fall silent: the process is stopped. */
  gone: async () => {
    const clients = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const client = newClient();
        await client.connect(to);
        return client;
      }),
    );
    await Promise.all(clients.map((client) => client.send(new Uint8Array(2000))));
    console.log('ready');
    process.kill(process.pid, 'SIGSTOP');
  },
  /** One client that sends messages of no bytes as fast as it can. */
  empty: async () => {
    const client = newClient();
    await client.connect(to);
    for (;;) {
      for (let i = 0; i < 20_000; i++) void client.send(new Uint8Array(0)).catch(() => {});
      await client.send(new Uint8Array(0));
      await sleep(0);
    }
  },
};

/**
 * Attackers have machines of their own: here they get the processor time that the server and its client leave. Where
 * the system has a class for that (Linux), they are in it; a low priority is what the others have.
 */
function begin() {
  setPriority(19);
  spawnSync('chrt', ['--idle', '--all-tasks', '--pid', '0', String(process.pid)]);
  console.log('ready');
}

if (attack !== 'gone') setTimeout(begin, 300);
// the server is gone when the test is over, and that is the end of it
await attacks[attack]().catch(() => process.exit());
