import { freeBuffersAtOnce } from './collection.js';
import { GRACE } from './links.js';
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
  /** Reads keys and lists. Rejects if they are wrong. */
  prepare(context: StationContext): Promise<Station>;
}

/** Runs one station until stopped. */
export async function runStation({ values, prepare }: StationPlan): Promise<void> {
  freeBuffersAtOnce();
  const report = reportAs(values);
  // before it listens: wrong use must not leave a client with half a connection
  checkMetrics(values);
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
