import { short } from './table.mjs';

/** Where, when and on what machine figures were measured. */
export function where({
  date,
  library,
  node,
  openssl,
  processor,
  cores,
  memoryGiB,
  system,
  loadBefore,
  rounds,
  others = rounds,
}) {
  const machine = `${processor}, ${cores} cores, ${memoryGiB} GiB, ${system}`;
  const once = others === rounds ? '' : `, and of ${others} where no target is about a figure`;
  const software = `secure-sockets ${library}, Node ${node}, OpenSSL ${openssl}`;
  return `${date} UTC; ${software}; ${machine}; load before ${loadBefore}; median of ${rounds}${once}.`;
}

/** A median, and half of the range of the measurements behind it if there were several. */
export function withSpread(entry) {
  if (entry === undefined || entry.values.length === 1) return short(entry?.median);
  return `${short(entry.median)} ±${Math.round(50 * entry.spread)}%`;
}

export function bytes(size) {
  if (size >= 2 ** 20) return `${size / 2 ** 20} MiB`;
  return size >= 1024 ? `${size / 1024} KiB` : `${size} B`;
}
