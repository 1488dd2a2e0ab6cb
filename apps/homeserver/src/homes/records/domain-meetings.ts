import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { serverNameOf } from '#federation';
import { Bus } from '../../bus/bus.js';
import { Config } from '../../config/config.js';
import { KeyRing } from '../../federation/keys/key-ring.js';
import { Log } from '../../observability/log.js';
import { RoomRegistry } from '../../rooms/room-registry.js';
import { boundedCache } from '../../storage/bounded-cache.js';

/** Domains that wait to be asked; a room with more shows the rest by and by. */
const MAX_WAITING = 500;
const CONCURRENCY = 4;

/**
 * Asks the domains of people who come into portable rooms here for their keys, while they live: with them the names can be proven
 * later, when a domain may be dead (protocol §2).
 */
@Injectable()
export class DomainMeetings implements OnModuleDestroy {
  readonly #met = boundedCache<string, true>(20_000);
  readonly #waiting = new Set<string>();
  #running = 0;
  readonly #unsubscribe: () => void;

  constructor(
    bus: Bus,
    private readonly config: Config,
    private readonly registry: RoomRegistry,
    private readonly keyRing: KeyRing,
    private readonly log: Log,
  ) {
    this.#unsubscribe = bus.subscribe((message) => {
      if (message.kind !== 'room') return;
      const domains = message.membershipChanges.filter(({ membership }) => membership === 'join').map(({ userId }) => serverNameOf(userId));
      const unmet = new Set(domains.filter((domain) => domain !== this.config.serverName && !this.#met.has(domain)));
      if (unmet.size > 0) this.#meet(message.roomId, unmet).catch((error: unknown) => this.log.error('domains of a room could not be met', error));
    });
  }

  onModuleDestroy(): void {
    this.#unsubscribe();
    this.#waiting.clear();
  }

  async #meet(roomId: string, domains: ReadonlySet<string>): Promise<void> {
    if (!(await this.registry.find(roomId))?.rules.portable) return;
    for (const domain of domains) if (this.#waiting.size < MAX_WAITING) this.#waiting.add(domain);
    while (this.#running < CONCURRENCY && this.#waiting.size > 0) void this.#work();
  }

  async #work(): Promise<void> {
    this.#running++;
    try {
      for (const domain of this.#waiting) {
        this.#waiting.delete(domain);
        // What is in the database will do: it is a key of the domain that could be had.
        if (await this.keyRing.listed(domain, Number.POSITIVE_INFINITY)) this.#met.set(domain, true);
      }
    } catch (error) {
      this.log.debug('a domain could not be met', { reason: String(error) });
    } finally {
      this.#running--;
    }
  }
}
