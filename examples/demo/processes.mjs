// Child processes that report over Node's own channel between parent and child.
import { fork } from 'node:child_process';
import { on, once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** Starts a server and resolves once it listens. */
export async function startServer(protocol, backend, rounds) {
  const { child, next, ended } = start('server.mjs', protocol, backend, String(rounds));
  return {
    ...(await next()),
    /** Its report on its next client. */
    next,
    async stop() {
      child.disconnect();
      await ended;
    },
  };
}

/** Runs a client to its end and returns its report. */
export async function runClient(job) {
  const { next, ended } = start('client.mjs', JSON.stringify(job));
  const report = await next();
  await ended;
  return report;
}

function start(script, ...args) {
  const file = fileURLToPath(new URL(script, import.meta.url));
  const child = fork(file, args, { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] });
  // The library's warnings go to standard error too; it is shown if something fails.
  const complaints = text(child.stderr);
  const reports = on(child, 'message', { close: ['exit'] });
  const ended = once(child, 'exit').then(async ([code, signal]) => {
    if (code !== 0) throw new Error(`${script} ended with ${signal ?? code}: ${await complaints}`);
  });
  const next = async () => {
    const { done, value } = await reports.next();
    if (!done) return value[0];
    await ended;
    throw new Error(`${script} ended without a report`);
  };
  return { child, next, ended };
}
