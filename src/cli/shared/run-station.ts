import { GRACE } from './links.js';
import { type MetricsValues, serveMetrics } from './metrics.js';
import { type Report, type ReportFlags, reportAs } from './output.js';
import { announceService } from './service.js';
import { Hangup, stopSignal, whenAborted } from './signals.js';
import type { Station } from './station.js';

/** What a station is given by its process. */
export interface StationContext {
  readonly report: Report;
  /** Gives up what is still being prepared. */
  readonly stop: AbortSignal;
}

/** A station as its flags have it: checked, but nothing is read or opened yet. */
export interface StationPlan {
  readonly values: ReportFlags & MetricsValues;
  /** Reads keys and lists. Rejects with what is wrong with them. */
  prepare(context: StationContext): Promise<Station>;
}

/** Runs one station until it is stopped. */
export async function runStation({ values, prepare }: StationPlan): Promise<void> {
  const report = reportAs(values);
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
