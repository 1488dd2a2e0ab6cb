import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { serverNameOf } from '#federation';
import { MAX_NESTING, nestsDeeperThan } from '#json';
import type { Profile } from '../accounts/profiles.js';
import { RemoteProfiles } from '../accounts/remote-profiles.js';
import { MatrixError } from '../errors/matrix-error.js';
import { Clock } from '../observability/clock.js';
import { FederationClient } from './federation-client.js';
import { FairSlots, fairLimits } from './outgoing/fair-slots.js';

const MAX_CACHED_BYTES = 16 * 1024 * 1024;
/** What an entry takes beside its text. */
const ENTRY_BYTES = 1_000;
const LIFETIME_MS = 60_000;
const TIMEOUT_MS = 10_000;
const MAX_BYTES = 128 * 1024;

/** Profiles asked of the account's own server (`GET /query/profile`), remembered for a minute. */
@Injectable()
export class FederatedProfiles extends RemoteProfiles {
  readonly #cache = new LRUCache<string, { profile: Profile; bytes: number; expires: number }>({
    maxSize: MAX_CACHED_BYTES, sizeCalculation: ({ bytes }) => bytes,
  });
  readonly #slots = new FairSlots(fairLimits(64, { waiting: 2_000 }));

  constructor(
    private readonly client: FederationClient,
    private readonly clock: Clock,
  ) {
    super();
  }

  override async get(userId: string, field?: string): Promise<Profile> {
    const key = JSON.stringify([userId, field]);
    const known = this.#cache.get(key);
    if (known && known.expires > this.clock.steady()) return known.profile;
    const destination = serverNameOf(userId);
    const profile = await this.#slots.run({ destination }, () => this.client.request<Profile>({
      destination,
      method: 'GET',
      path: '/_matrix/federation/v1/query/profile',
      query: { user_id: userId, field },
      timeoutMs: TIMEOUT_MS,
      maxBytes: MAX_BYTES,
    }));
    if (typeof profile !== 'object' || profile === null || Array.isArray(profile) || nestsDeeperThan(profile, MAX_NESTING)) {
      throw MatrixError.unknown(502, `${serverNameOf(userId)} answered with something that is no profile`);
    }
    this.#cache.set(key, { profile, bytes: JSON.stringify(profile).length + key.length + ENTRY_BYTES, expires: this.clock.steady() + LIFETIME_MS });
    return profile;
  }
}
