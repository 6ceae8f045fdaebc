import { spawn } from 'node:child_process';
import type { Report } from './output.js';

/**
 * Notifies systemd: readiness, keep-alive messages if a watchdog is configured, and stopping. Does nothing without
 * NOTIFY_SOCKET. Runs `systemd-notify`, since Node has no datagrams on Unix domain sockets; the unit needs
 * `NotifyAccess=all`, as that is another process.
 */
export function announceService(report: Report, stop: AbortSignal): void {
  if (!process.env.NOTIFY_SOCKET) return;
  tell(report, 'READY=1');
  const period = watchdogPeriod(process.env);
  const timer = period === undefined ? undefined : setInterval(() => tell(report, 'WATCHDOG=1'), period);
  stop.addEventListener('abort', () => {
    clearInterval(timer);
    tell(report, 'STOPPING=1');
  });
}

/** Milliseconds between two keep-alive messages: half of the watchdog's time, as sd_watchdog_enabled(3) advises. */
function watchdogPeriod(environment: NodeJS.ProcessEnv): number | undefined {
  const { WATCHDOG_USEC, WATCHDOG_PID } = environment;
  const microseconds = Number(WATCHDOG_USEC);
  if (WATCHDOG_PID !== undefined && Number(WATCHDOG_PID) !== process.pid) return undefined;
  return microseconds > 0 ? Math.max(1, Math.floor(microseconds / 2000)) : undefined;
}

function tell(report: Report, state: string): void {
  const child = spawn('systemd-notify', [state], { stdio: 'ignore' });
  child.on('error', ({ message }) =>
    report.event('warning', `warning: systemd is not told ${state}: ${message}`, { message }),
  );
  child.unref();
}
