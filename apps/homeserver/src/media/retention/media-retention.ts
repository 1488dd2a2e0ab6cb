import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { Destinations } from '../../federation/outgoing/destinations.js';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { MediaFiles } from '../media-files.js';
import { MediaStore } from '../media.store.js';
import { type CachedFile, MediaRetentionStore } from './media-retention.store.js';

const EVERY_MS = 3_600_000;
const DAY_MS = 24 * 3_600_000;
/** Files of others that nobody has read for so long go; those that nothing names any more after a day. */
const UNREAD_MS = 90 * DAY_MS;
const BATCH = 200;
const FIRST = { read_ts: -1, sha256: '' };

/**
 * Deletes what can be had again: files of other servers that nobody reads, and the longest unread where they take too much. What accounts
 * here have uploaded stays, at whichever of their homes; so does what may be lost elsewhere, because its server is silent.
 */
@Injectable()
export class MediaRetention implements OnApplicationBootstrap, OnModuleDestroy {
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #isOver = false;

  constructor(
    private readonly config: Config,
    private readonly store: MediaRetentionStore,
    private readonly media: MediaStore,
    private readonly files: MediaFiles,
    private readonly destinations: Destinations,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => {
      this.run().catch((error: unknown) => this.log.error('old media could not be deleted', error));
    }, EVERY_MS).unref();
  }

  async onModuleDestroy(): Promise<void> {
    this.#isOver = true;
    clearInterval(this.#timer);
    await this.#running?.catch(() => undefined);
  }

  /** Once through. */
  run(): Promise<void> {
    this.#running ??= this.#run().finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #run(): Promise<void> {
    const now = this.clock.now();
    await this.media.expire(now);
    await this.#delete(now - DAY_MS, ({ servers, read_ts: readTs }) => servers.length === 0 || readTs <= now - UNREAD_MS);
    let surplus = (await this.store.cachedBytes()) - this.config.mediaCacheBytes;
    if (surplus > 0) await this.#delete(now, ({ bytes }) => surplus > 0 && ((surplus -= bytes), true));
  }

  /** Deletes those not read since a time that are to go, one after the other. */
  async #delete(until: number, goes: (file: CachedFile) => boolean): Promise<void> {
    let last: Pick<CachedFile, 'read_ts' | 'sha256'> = FIRST;
    for (let batch = await this.store.unread(last, until, BATCH); batch.length > 0; batch = await this.store.unread(last, until, BATCH)) {
      for (const file of batch) {
        if (this.#isOver) return;
        if (!this.#mayBeLost(file) && goes(file)) await this.files.remove(file.sha256, (tx) => this.store.remove(tx, file));
      }
      last = batch.at(-1)!;
    }
  }

  /** Its servers do not answer now: nobody knows whether they ever will. */
  #mayBeLost({ servers }: CachedFile): boolean {
    return servers.some((name) => name !== this.config.serverName && this.destinations.failures(name) > 0);
  }
}
