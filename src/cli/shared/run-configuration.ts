import { quote } from '../../errors.js';
import { type Flags, parse, refuseMore } from './arguments.js';
import { freeBuffersAtOnce } from './collection.js';
import { type ProcessFlags, processFlags, readConfiguration } from './configuration.js';
import { ConfiguredStations, tell } from './configured-stations.js';
import { usageError } from './failure.js';
import { isRegular } from './keys.js';
import { GRACE } from './links.js';
import { checkMetrics, type MetricsServer, serveMetrics } from './metrics.js';
import { type Report, reportAs } from './output.js';
import { announceService } from './service.js';
import { Hangup, stopSignal, whenAborted } from './signals.js';

const configurationFlags = {
  help: { type: 'boolean', short: 'h' },
  config: { type: 'string' },
  ...processFlags,
} as const;

/** The flags of a command with `--config`. */
export const flagsWithConfiguration: Flags = configurationFlags;

/** Whether a command runs a configuration file: it has `--config` instead of a side or direction. */
export function hasConfiguration([first = '', ...more]: readonly string[]): boolean {
  const isGiven = [first, ...more].some((arg) => /^--config(=|$)/.test(arg));
  if (isGiven && !first.startsWith('-'))
    throw usageError(`--config FILE says what is to run: leave out ${quote(first)}`);
  return isGiven;
}

/** Runs the services of a configuration file until stopped. At SIGHUP the file is read again and applied. */
export async function runConfiguration(command: string, args: string[]): Promise<void> {
  const { values, positionals } = parse(`${command} --config`, args, configurationFlags);
  const { config: path, ...given } = values;
  refuseMore('--config FILE says what is to run, with its addresses', positionals);
  if (path === undefined) throw usageError('--config takes a FILE');
  // the command line takes precedence over the file
  reportAs(given);
  const configuration = await readConfiguration(path, given);
  const report = reportAs({ ...configuration.flags, ...given });
  freeBuffersAtOnce();
  const stop = stopSignal(GRACE);
  // from here on: by default SIGHUP would end the process, even while it starts
  const hangup = new Hangup(report);
  const stations = new ConfiguredStations(report, stop);
  try {
    await stations.begin(configuration);
    const metrics = new Metrics(given, stations, report, stop);
    await metrics.begin(configuration.flags);
    announceService(report, stop);
    hangup.begin(async () => change(path, { given, stations, report, metrics }));
    await whenAborted(stop);
  } finally {
    await stations.stop();
  }
}

interface Running {
  readonly given: ProcessFlags;
  readonly stations: ConfiguredStations;
  readonly report: Report;
  readonly metrics: Metrics;
}

async function change(path: string, { given, stations, report, metrics }: Running): Promise<void> {
  if (!(await isRegular(path))) return stations.reload();
  const configuration = await readConfiguration(path, given);
  checkMetrics({ ...configuration.flags, ...given });
  // the old address of the metrics may be the new one of a service, and the other way round
  await stations.change(configuration, () => metrics.leaveUnlessAt(configuration.flags));
  report.change({ ...configuration.flags, ...given });
  await metrics.change(configuration.flags);
}

/** The current metrics server, if any. */
class Metrics {
  readonly #given: ProcessFlags;
  readonly #stations: ConfiguredStations;
  readonly #report: Report;
  readonly #stop: AbortSignal;
  #server: MetricsServer | undefined;
  /** The flag that it was begun with. */
  #flag: string | undefined;

  constructor(given: ProcessFlags, stations: ConfiguredStations, report: Report, stop: AbortSignal) {
    this.#given = given;
    this.#stations = stations;
    this.#report = report;
    this.#stop = stop;
  }

  /** Rejects if it cannot listen there. */
  async begin(flags: ProcessFlags): Promise<void> {
    const { metrics, 'metrics-public': isPublic } = { ...flags, ...this.#given };
    const values = { metrics, 'metrics-public': isPublic };
    this.#server = await serveMetrics(values, () => this.#stations.current, this.#report, this.#stop);
    this.#flag = metrics;
  }

  /** Frees its address, if it is to have another. A socket that the process was started with could not be had again. */
  leaveUnlessAt(flags: ProcessFlags): void {
    if (!this.#isAt(flags) && !this.#isInherited) this.#server?.close();
  }

  /** Moves to another address. If it cannot listen there, it stays where it was, unless a service is there now. */
  async change(flags: ProcessFlags): Promise<void> {
    if (this.#isAt(flags)) return;
    const old = this.#server;
    try {
      await this.begin(flags);
      old?.close();
    } catch (error) {
      await this.#restore(old?.address);
      const what = this.#server === undefined ? 'there are no metrics' : 'the metrics stay as they were';
      tell(error, `warning: ${what}`, this.#report);
    }
  }

  /** The address may be a public one: that was checked when it began there. */
  async #restore(metrics: string | undefined): Promise<void> {
    if (metrics === undefined || this.#isInherited) return;
    const values = { metrics, 'metrics-public': true };
    try {
      this.#server = await serveMetrics(values, () => this.#stations.current, this.#report, this.#stop);
    } catch (error) {
      tell(error, 'warning: the metrics cannot be where they were', this.#report);
      this.#server = undefined;
      this.#flag = undefined;
    }
  }

  get #isInherited(): boolean {
    return this.#flag?.startsWith('fd:') ?? false;
  }

  #isAt(flags: ProcessFlags): boolean {
    return { ...flags, ...this.#given }.metrics === this.#flag;
  }
}
