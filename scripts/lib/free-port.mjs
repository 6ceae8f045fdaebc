// Ports for programs that cannot be told to take any free one.
import { once } from 'node:events';
import { createServer } from 'node:net';

// Below what Linux, macOS and Windows give to connections and to servers at port 0, so that nobody is given the port
// between now and the program's start.
const FIRST = 10_240;
const END = 32_768;

const given = new Set();

/** A port of 127.0.0.1 at which nothing listens, each time another. */
export async function freePort() {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (END - FIRST));
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}

async function isFree(port) {
  const probe = createServer();
  try {
    probe.listen(port, '127.0.0.1');
    await once(probe, 'listening');
  } catch (error) {
    if (error.code === 'EADDRINUSE' || error.code === 'EACCES') return false;
    throw error;
  }
  probe.close();
  await once(probe, 'close');
  return true;
}
