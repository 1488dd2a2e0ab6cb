import { Injectable } from '@nestjs/common';
import { isServerName } from '#federation';
import { Config } from '../../config/config.js';
import { FederationClient, federationPath } from '../../federation/federation-client.js';
import { Clock } from '../../observability/clock.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { readToldSpace, type ToldSpace } from './told-space.js';

const MAX_HELD = 200;
const FRESH_MS = 5 * 60_000;
const TIMEOUT_MS = 5_000;
const MAX_BYTES = 1024 * 1024;
/** Servers that are asked for one room. */
const MAX_ASKED = 3;

/** What other servers tell of spaces and rooms that this one is not in. */
@Injectable()
export class RemoteSpaces {
  readonly #held = boundedCache<string, { readonly space: ToldSpace; readonly until: number }>(MAX_HELD);

  constructor(
    private readonly client: FederationClient,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  /** Undefined when none of the servers tells of the room. */
  async of(roomId: string, via: readonly string[]): Promise<ToldSpace | undefined> {
    const held = this.#held.get(roomId);
    if (held && held.until > this.clock.steady()) return held.space;
    const servers = [...new Set(via)].filter((name) => isServerName(name) && name !== this.config.serverName).slice(0, MAX_ASKED);
    for (const destination of servers) {
      const body = await this.client
        .request({ destination, method: 'GET', path: federationPath`/_matrix/federation/v1/hierarchy/${roomId}`, query: { suggested_only: 'false' }, timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES })
        .catch(() => undefined);
      const space = readToldSpace(body, roomId);
      if (!space) continue;
      this.#held.set(roomId, { space, until: this.clock.steady() + FRESH_MS });
      return space;
    }
    return undefined;
  }
}
