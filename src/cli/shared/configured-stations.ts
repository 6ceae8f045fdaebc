import { type Configuration, type Configured, withPlace } from './configuration.js';
import { explainAnything } from './failure.js';
import { ListenerPool } from './listener-pool.js';
import type { Report } from './output.js';
import { reloadReported } from './signals.js';
import type { Station } from './station.js';

/** A service that runs. */
interface Entry extends Configured {
  readonly station: Station;
}

/**
 * The tunnels and bridges of a process with a configuration file.
 *
 * A change is made in the order in which it can fail least. First everything new is made and its keys and lists are
 * read: a mistake in the file shows here, and nothing has changed. Only then do services that are gone or changed
 * give up their listeners, which go into a pool with all connections that arrive meanwhile, and from there to those
 * that begin at the same addresses. One that cannot begin after all gives its place back to what was there before: a
 * service that runs with old settings is worth more than none.
 */
export class ConfiguredStations {
  readonly #report: Report;
  readonly #stop: AbortSignal;
  readonly #entries = new Map<string, Entry>();
  /** Removed services that still have open connections. */
  readonly #retiring = new Set<Station>();

  constructor(report: Report, stop: AbortSignal) {
    this.#report = report;
    this.#stop = stop;
  }

  /** The current services, by name. */
  get current(): ReadonlyMap<string, Station> {
    return new Map([...this.#entries].map(([name, { station }]) => [name, station]));
  }

  /** Starts the services of a configuration. Rejects if any of them cannot start. */
  async begin(configuration: Configuration): Promise<void> {
    const made = await this.#prepare(configuration, new Map());
    for (const [name, entry] of made) {
      this.#entries.set(name, entry);
      await entry.station.begin().catch((error) => {
        throw withPlace(configuration.path, entry.table, error);
      });
    }
  }

  /**
   * Changes to another configuration. Rejects, with nothing changed, if a key or list of an added or changed
   * service is wrong. Unchanged services read their files again; one that cannot listen at its address is reported.
   * `begins` is called once nothing can reject any more, before any address is freed or taken.
   */
  async change(configuration: Configuration, begins: () => void = () => {}): Promise<void> {
    const { services } = configuration;
    const before = new Map([...this.#entries].filter(([name, entry]) => isSame(entry, services.get(name))));
    const gone = [...this.#entries].filter(([name]) => !before.has(name));
    const made = await this.#prepare(configuration, before);
    begins();
    const pool = new ListenerPool();
    for (const [name, { station }] of gone) pool.add(name, station);
    for (const [name, entry] of gone) this.#retire(name, entry);
    pool.keepFor(made);
    const old = new Map(gone);
    for (const [name, entry] of made) await this.#beginOr(name, entry, old.get(name), pool);
    pool.close();
    await this.reload(new Map([...before].map(([name, { station }]) => [name, station])));
  }

  /** Makes all services read their keys and lists again. */
  async reload(stations: ReadonlyMap<string, Station> = this.current): Promise<void> {
    for (const [name, station] of stations)
      await reloadReported(() => station.reload(), this.#report.of(name));
  }

  /** Ends all of them. */
  async stop(): Promise<void> {
    const stations = [...this.current.values(), ...this.#retiring];
    await Promise.all(stations.map((station) => station.stop()));
  }

  /** The new and changed services, with their keys and lists read. */
  async #prepare(
    { path, services }: Configuration,
    before: ReadonlyMap<string, Entry>,
  ): Promise<Map<string, Entry>> {
    const made = new Map<string, Entry>();
    for (const [name, configured] of services) {
      if (before.has(name)) continue;
      try {
        made.set(name, await this.#make(name, configured));
      } catch (error) {
        for (const { station } of made.values()) await station.stop();
        throw withPlace(path, configured.table, error);
      }
    }
    return made;
  }

  async #make(name: string, configured: Configured): Promise<Entry> {
    const context = { report: this.#report.of(name), stop: this.#stop };
    const station = await configured.plan.prepare(context);
    await station.check();
    return { ...configured, station };
  }

  /** Stops a service and frees its address at once. */
  #retire(name: string, { station }: Entry): void {
    const report = this.#report.of(name);
    this.#entries.delete(name);
    this.#retiring.add(station);
    report.event('retired', 'takes no more connections');
    void station
      .retire()
      .catch((error) => tell(error, 'warning: it did not end in order', report))
      .finally(() => this.#retiring.delete(station));
  }

  /** Starts a changed service; if it cannot start, the previous one. */
  async #beginOr(name: string, entry: Entry, old: Entry | undefined, pool: ListenerPool): Promise<void> {
    try {
      await entry.station.begin(pool.handoverTo(name));
      this.#entries.set(name, entry);
    } catch (error) {
      tell(error, 'warning: it cannot begin', this.#report.of(name));
      pool.add(name, entry.station);
      await entry.station.stop();
      if (old !== undefined) await this.#restore(name, old, pool);
    }
  }

  async #restore(name: string, old: Entry, pool: ListenerPool): Promise<void> {
    try {
      const again = await this.#make(name, old);
      await again.station.begin(pool.handoverTo(name));
      this.#entries.set(name, again);
    } catch (error) {
      tell(error, 'warning: its previous settings cannot be restored either', this.#report.of(name));
    }
  }
}

function isSame({ args }: Entry, other: Configured | undefined): boolean {
  return JSON.stringify(args) === JSON.stringify(other?.args);
}

/** Warns of something that did not work, with the reason. */
export function tell(error: unknown, what: string, report: Report): void {
  const { message, code } = explainAnything(error);
  report.event('warning', `${what}: ${message}`, { code, message: `${what}: ${message}` });
}
