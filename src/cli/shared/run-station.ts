import { quote } from '../../errors.js';
import type { ListenAddress } from './address.js';
import { freeBuffersAtOnce } from './collection.js';
import { usageError } from './failure.js';
import { GRACE } from './links.js';
import { Listeners } from './listeners.js';
import { checkMetrics, type MetricsValues, serveMetrics } from './metrics.js';
import { type Report, type ReportFlags, reportAs } from './output.js';
import { announceService } from './service.js';
import { Hangup, stopSignal, whenAborted } from './signals.js';
import type { Station } from './station.js';

/** What a station gets from its process. */
export interface StationContext {
  readonly report: Report;
  /** Aborts preparation. */
  readonly stop: AbortSignal;
}

/** A station whose flags are checked, but for which nothing has been read or opened yet. */
export interface StationPlan {
  readonly values: ReportFlags & MetricsValues;
  /** Where it is to listen. */
  readonly listens: readonly ListenAddress[];
  /** Reads keys and lists. Rejects if they are wrong. */
  prepare(context: StationContext): Promise<Station>;
}

/** The plan of one of the two stations that a command has, which the first argument names. */
export function planEither(
  command: string,
  plans: Readonly<Record<string, (args: string[]) => StationPlan>>,
  [name, ...args]: readonly string[],
): StationPlan {
  const plan = name !== undefined && Object.hasOwn(plans, name) ? plans[name] : undefined;
  if (plan !== undefined) return plan(args);
  const names = Object.keys(plans).map((one) => `"${command} ${one}"`);
  const given = name === undefined ? '' : `, not ${quote(name)}`;
  throw usageError(`${command} is either ${names.join(' or ')}${given}`, `secure-sockets ${command} --help`);
}

/** Runs one station until stopped. */
export async function runStation({ values, listens, prepare }: StationPlan): Promise<void> {
  freeBuffersAtOnce();
  const report = reportAs(values);
  // before it listens: wrong use must not leave a client with half a connection
  checkMetrics(values);
  const listeners = new Listeners(values.metrics, '--metrics');
  for (const address of listens) listeners.add(address, 'it');
  const stop = stopSignal(GRACE);
  const hangup = new Hangup(report);
  const station = await prepare({ report, stop });
  await station.begin();
  await serveMetrics(values, () => new Map([['', station]]), report, stop);
  announceService(report, stop);
  hangup.begin(() => station.reload());
  await whenAborted(stop);
  await station.stop();
}
