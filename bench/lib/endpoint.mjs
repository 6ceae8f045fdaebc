/** One end of a measurement, in a process of its own: performs the tasks of its parent and reports the results. */
import { contenders } from '../contenders/list.mjs';
import { works } from './client-work.mjs';
import { startDelayingProxy } from './delaying-proxy.mjs';
import { behaviours, received, settleMemory } from './server-work.mjs';
import { cpuSeconds } from './wire.mjs';

const deeds = {
  async serve({ name, credentials, behaviour, settings }) {
    const { serve } = await load(name);
    const { options = {}, reading } = contenders[name];
    const handle = (connection) => behaviours[behaviour](connection, settings, reading).catch(fail);
    return serve(credentials, options, handle);
  },
  async work({ name, address, kind, settings }) {
    const { connect } = await load(name);
    return works[kind](() => connect(address, contenders[name].options ?? {}), settings);
  },
  delay: startDelayingProxy,
  received: async () => received,
  memory: settleMemory,
  cpu: async () => cpuSeconds(),
  /** In bytes, since the process began. */
  peakMemory: async () => 1024 * process.resourceUsage().maxRSS,
};

process.on('message', async ({ deed, details }) => {
  try {
    answer({ result: await deeds[deed](details) });
  } catch (error) {
    fail(error);
  }
});
process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
process.on('disconnect', () => process.exit());

function load(name) {
  return import(new URL(contenders[name].module, new URL('../contenders/', import.meta.url)));
}

function fail(error) {
  const cause = error instanceof Event ? (error.error ?? error.type) : error;
  answer({ failure: { message: String(cause?.message ?? cause), code: cause?.code, stack: cause?.stack } });
}

function answer(message) {
  if (process.connected) process.send(message);
}
