import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { AccountServers } from '../../accounts/account-servers.js';
import { Config } from '../../config/config.js';
import { FederationClient } from '../../federation/federation-client.js';
import { countsPath } from './media-paths.js';
import { type CopyCounts, MediaCopiesStore } from './media-copies.store.js';

const ASK_MS = 5_000;
const count = z.int().nonnegative();
const countsSchema = z.object({ total: count, ready: count, bytes: count, ready_bytes: count });

/** Answer of `GET …/account/media`. */
export interface MediaProgressBody {
  /** In the order of the record; null for a home that does not answer now. */
  readonly homes: readonly { readonly server_name: string; readonly media: CopyCounts | null }[];
}

/** How much of what an account has uploaded is at each of its homes. */
@Injectable()
export class MediaProgress {
  constructor(
    private readonly config: Config,
    private readonly accounts: AccountServers,
    private readonly store: MediaCopiesStore,
    private readonly client: FederationClient,
  ) {}

  async of(userId: string): Promise<MediaProgressBody> {
    const homes = await this.accounts.of(userId);
    return {
      homes: await Promise.all(homes.map(async (name) => ({
        server_name: name,
        media: name === this.config.serverName ? await this.store.counts(userId) : await this.#ask(name, userId),
      }))),
    };
  }

  async #ask(destination: string, userId: string): Promise<CopyCounts | null> {
    const answer = await this.client.request({ destination, method: 'GET', path: countsPath(userId), timeoutMs: ASK_MS }).catch(() => undefined);
    return countsSchema.safeParse(answer).data ?? null;
  }
}
