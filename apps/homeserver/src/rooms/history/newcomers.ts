import { Injectable } from '@nestjs/common';
import { AccountServers } from '../../accounts/account-servers.js';
import { Clock } from '../../observability/clock.js';
import { boundedCache } from '../../storage/bounded-cache.js';

/** How long the event by which a server enters may take to arrive here. */
const WELCOME_MS = 10 * 60_000;

/** Servers that have proven to be homes of a member, and enter the room by an event that may not have arrived here yet. */
@Injectable()
export class Newcomers {
  readonly #known = boundedCache<string, { readonly userId: string; readonly until: number }>(10_000);

  constructor(
    private readonly servers: AccountServers,
    private readonly clock: Clock,
  ) {}

  /** @param userId the member whose record names the server */
  add(roomId: string, server: string, userId: string): void {
    this.#known.set(`${roomId} ${server}`, { userId, until: this.clock.steady() + WELCOME_MS });
  }

  async has(roomId: string, server: string): Promise<boolean> {
    const known = this.#known.get(`${roomId} ${server}`);
    return known !== undefined && known.until > this.clock.steady() && !(await this.servers.hasDropped(known.userId, server, undefined));
  }
}
