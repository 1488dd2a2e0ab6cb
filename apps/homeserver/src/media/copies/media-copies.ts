import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { AccountServers } from '../../accounts/account-servers.js';
import { Config } from '../../config/config.js';
import { Destinations } from '../../federation/outgoing/destinations.js';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { DueRows } from '../../storage/due-rows.js';
import { MediaFiles } from '../media-files.js';
import { MediaStore } from '../media.store.js';
import { OriginMedia } from '../remote/origin-media.js';
import { hashPath } from './media-paths.js';
import { MediaCopiesStore, type MissingCopy } from './media-copies.store.js';

/** Files that are fetched at once, of as many accounts: it is background. */
const AT_ONCE = 3;

/**
 * Fetches what accounts have uploaded at their other homes, so that it is at each of them (docs/protocol.md, "Media"). What is to be
 * fetched stands in the database: a restart forgets nothing.
 */
@Injectable()
export class MediaCopies implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #due: DueRows;
  readonly #stopListening: () => void;
  /** By account: one of each at a time, in turn, so that none pays for another one's many, or for its silent homes. */
  readonly #running = new Map<string, Promise<void>>();
  #last = '';

  constructor(
    private readonly config: Config,
    private readonly store: MediaCopiesStore,
    private readonly media: MediaStore,
    private readonly files: MediaFiles,
    private readonly origin: OriginMedia,
    private readonly accounts: AccountServers,
    private readonly clock: Clock,
    private readonly log: Log,
    destinations: Destinations,
  ) {
    this.#due = new DueRows(() => this.#look(), () => this.clock.now(), (error) => this.log.error('missing media could not be looked for', error));
    this.#stopListening = destinations.onAlive((server) => {
      this.store.wake(server).then(() => this.wake(), () => undefined);
    });
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.store.resume();
    this.wake();
  }

  async onModuleDestroy(): Promise<void> {
    this.#stopListening();
    await this.#due.stop();
    await Promise.allSettled(this.#running.values());
  }

  /** There may be something to fetch. */
  wake(): void {
    this.#due.wake();
  }

  async #look(): Promise<number | null> {
    while (this.#running.size < AT_ONCE) {
      const copy = await this.store.claim(this.clock.now(), this.#last, [...this.#running.keys()]);
      if (!copy) return this.#running.size === 0 ? this.store.next() : Infinity;
      const { user_id: userId } = copy;
      this.#last = userId;
      this.#running.set(userId, this.#bring(copy)
        .catch((error: unknown) => this.log.error('media could not be copied', error))
        .finally(() => {
          this.#running.delete(userId);
          this.wake();
        }));
    }
    return Infinity;
  }

  async #bring(copy: MissingCopy): Promise<void> {
    try {
      if (!copy.is_here) await this.#fetch(copy);
      await this.store.done(copy);
    } catch (error) {
      this.log.debug('media of an account are not here yet', { server: copy.server_name, error: String(error) });
      await this.store.failed(copy, this.clock.now());
    }
  }

  /** @throws the last home's error */
  async #fetch({ user_id: userId, server_name: serverName, sha256, bytes }: MissingCopy): Promise<void> {
    if (bytes > this.config.maxUploadBytes || (await this.media.usage(userId)) > this.config.mediaQuotaBytes) {
      throw new Error('it is more than this server takes');
    }
    const homes = (await this.accounts.of(userId)).filter((name) => name !== this.config.serverName && name !== serverName);
    let failure: unknown;
    for (const home of [serverName, ...homes]) {
      try {
        const received = await this.origin.signed(home, hashPath(sha256), {}, sha256);
        if (!received) continue;
        try {
          await this.files.keep(received.file, () => Promise.resolve());
        } finally {
          await received.file.discard();
        }
        return;
      } catch (error) {
        failure = error;
      }
    }
    throw failure ?? new Error('no home has it');
  }
}
