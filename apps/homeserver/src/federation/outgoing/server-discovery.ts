import { Injectable } from '@nestjs/common';
import {
  firstDiscoveryStep, readWellKnown, stepAfterWellKnown, targetsOfSrv, wellKnownErrorLifetime,
  type FederationTarget, type SrvRecord,
} from '#federation';
import { Clock } from '../../observability/clock.js';
import { Random } from '../../observability/random.js';
import { fetchWellKnown } from './well-known-fetch.js';
import { HttpsTransport } from './https-transport.js';
import { NameResolver } from './name-resolver.js';
import { SharedRuns } from '../../observability/shared-runs.js';
import { boundedCache } from '../../storage/bounded-cache.js';

interface WellKnownEntry {
  /** Delegated server name; undefined when the file is missing or unusable. */
  readonly server: string | undefined;
  readonly expires: number;
  /** Failures in a row. */
  readonly failures: number;
}

const MAX_ENTRIES = 10_000;
/** SRV answers come without their TTL from Node's resolver. */
const SRV_LIFETIME_MS = 5 * 60_000;

/** Finds where a server listens (server-server API, §Resolving server names). The steps are pure; this does their I/O. */
@Injectable()
export class ServerDiscovery {
  readonly #wellKnown = boundedCache<string, WellKnownEntry>(MAX_ENTRIES);
  readonly #srv = boundedCache<string, { records: readonly SrvRecord[]; expires: number }>(MAX_ENTRIES);
  readonly #fetches = new SharedRuns<string | undefined>();

  constructor(
    private readonly transport: HttpsTransport,
    private readonly resolver: NameResolver,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /**
   * Targets to try, best first; at least one.
   *
   * @throws Error when `serverName` is not a server name
   */
  async targets(serverName: string): Promise<readonly FederationTarget[]> {
    let step = firstDiscoveryStep(serverName);
    if (!step) throw new Error(`not a server name: ${serverName}`);
    if (step.kind === 'well-known') step = stepAfterWellKnown(step.hostname, await this.#delegated(step.hostname));
    if (step.kind === 'connect') return [step.target];
    if (step.kind === 'well-known') throw new Error('a delegated name has no well-known file of its own');
    for (const name of step.names) {
      const records = await this.#records(name);
      if (records.length > 0) return targetsOfSrv(step.hostname, records, () => this.#fraction());
    }
    return targetsOfSrv(step.hostname, [], () => this.#fraction());
  }

  #delegated(hostname: string): Promise<string | undefined> {
    const known = this.#wellKnown.get(hostname);
    if (known && known.expires > this.clock.steady()) return Promise.resolve(known.server);
    return this.#fetches.run(hostname, () => this.#fetch(hostname, known));
  }

  async #fetch(hostname: string, known: WellKnownEntry | undefined): Promise<string | undefined> {
    const found = await fetchWellKnown(this.transport, hostname).then(
      (response) => readWellKnown(response, this.clock.now()),
      () => undefined,
    );
    const now = this.clock.steady();
    const failures = found ? 0 : (known?.failures ?? 0) + 1;
    const lifetime = found?.lifetime ?? wellKnownErrorLifetime(failures);
    this.#wellKnown.set(hostname, { server: found?.server, expires: now + lifetime, failures });
    return found?.server;
  }

  async #records(name: string): Promise<readonly SrvRecord[]> {
    const now = this.clock.steady();
    const known = this.#srv.get(name);
    if (known && known.expires > now) return known.records;
    const records = await this.resolver.srv(name);
    this.#srv.set(name, { records, expires: now + SRV_LIFETIME_MS });
    return records;
  }

  #fraction(): number {
    return this.random.bytes(4).readUInt32BE() / 2 ** 32;
  }
}
