import { readFileSync } from 'node:fs';

/** Whether the system probes the connections at a port, and when it will, in seconds: one entry an end. */
export function probes(port: number): (number | undefined)[] {
  const isOf = (address: string): boolean => Number.parseInt(address.split(':')[1] ?? '', 16) === port;
  return readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = '', remote = '', state]) => state === '01' && (isOf(local) || isOf(remote)))
    .map(([, , , , , timer = '']) => {
      const [kind, when = ''] = timer.split(':');
      return kind === '02' ? Number.parseInt(when, 16) / CLOCK_TICKS : undefined;
    });
}

/** What the kernel counts time in for programs, a second. */
const CLOCK_TICKS = 100;
