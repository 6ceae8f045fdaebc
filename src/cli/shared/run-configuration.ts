import { quote } from '../../errors.js';
import { type Flags, parse, refuseMore } from './arguments.js';
import { freeBuffersAtOnce } from './collection.js';
import { type Configuration, type ProcessFlags, processFlags, readConfiguration } from './configuration.js';
import { ConfiguredStations, tell } from './configured-stations.js';
import { usageError } from './failure.js';
import { isRegular } from './keys.js';
import { GRACE } from './links.js';
import { checkMetrics, serveMetrics } from './metrics.js';
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
    await metrics.change(configuration.flags);
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
  await stations.change(configuration);
  report.change({ ...configuration.flags, ...given });
  // the services have changed by now
  await metrics
    .change(configuration.flags)
    .catch((error) => tell(error, 'warning: the metrics stay as they were', report));
}

/** The current metrics server, if any. */
class Metrics {
  readonly #given: ProcessFlags;
  readonly #stations: ConfiguredStations;
  readonly #report: Report;
  readonly #stop: AbortSignal;
  #close: () => void = () => {};
  #address: string | undefined;

  constructor(given: ProcessFlags, stations: ConfiguredStations, report: Report, stop: AbortSignal) {
    this.#given = given;
    this.#stations = stations;
    this.#report = report;
    this.#stop = stop;
  }

  /** Moves the metrics server if the address has changed. If it cannot listen there, it stays where it is. */
  async change(flags: Configuration['flags']): Promise<void> {
    const { metrics, 'metrics-public': isPublic } = { ...flags, ...this.#given };
    if (metrics === this.#address) return;
    const values = { metrics, 'metrics-public': isPublic };
    const close = await serveMetrics(values, () => this.#stations.current, this.#report, this.#stop);
    this.#close();
    this.#close = close;
    this.#address = metrics;
  }
}
