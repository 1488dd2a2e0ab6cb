import { Injectable } from '@nestjs/common';
import { Clock } from '../observability/clock.js';
import { KeyedQueue } from '../observability/keyed-queue.js';
import { Log } from '../observability/log.js';
import { Database, type Transaction } from '../storage/database.js';
import { UnknownOutcome } from '../storage/database-errors.js';
import { MediaStore } from './media.store.js';
import { sniffedType } from './sniffed-type.js';
import type { IncomingFile } from './storage/incoming-files.js';
import { type ByteRange, fileKey, MediaStorage, type StoredFile, thumbnailsKey } from './storage/media-storage.js';

/** How exactly it is remembered when a file was read. */
const READ_GRAIN_MS = 24 * 3_600_000;

/** The files, each stored once by its hash. */
@Injectable()
export class MediaFiles {
  /** By hash: a file that is stored anew does not meet its removal. */
  readonly #queue = new KeyedQueue();

  constructor(
    private readonly storage: MediaStorage,
    private readonly store: MediaStore,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /**
   * Stores a file, and with it in one transaction what the callback writes. The file is in its place before anything names it: a process
   * that is killed in between leaves a file that nobody names, which the next upload of the same bytes takes over.
   */
  async keep(file: IncomingFile, write: (tx: Transaction) => Promise<void>): Promise<void> {
    const sniffed = await sniffedType(file.head);
    await this.#queue.run(file.sha256, async () => {
      await this.storage.put(fileKey(file.sha256), file.path);
      try {
        await this.db.transaction(async (tx) => {
          await this.store.addFile(tx, { sha256: file.sha256, bytes: file.bytes, sniffedType: sniffed, readTs: this.clock.now() });
          await write(tx);
        });
      } catch (error) {
        // What was refused would lie there for ever. Of what may be stored all the same nobody knows yet.
        if (!(error instanceof UnknownOutcome)) await this.#dropUnnamed(file.sha256).catch(() => undefined);
        throw error;
      }
    });
  }

  async #dropUnnamed(sha256: string): Promise<void> {
    if (!(await this.store.file(sha256))) await this.storage.delete(fileKey(sha256));
  }

  /** Deletes a file with all that was made of it, if the callback has deleted what stands of it in the database. */
  async remove(sha256: string, forget: (tx: Transaction) => Promise<boolean>): Promise<void> {
    await this.#queue.run(sha256, async () => {
      if (!(await this.db.transaction(forget))) return;
      await this.storage.delete(fileKey(sha256));
      await this.storage.delete(thumbnailsKey(sha256));
    });
  }

  open(sha256: string, range?: ByteRange): Promise<StoredFile | undefined> {
    return this.storage.open(fileKey(sha256), range);
  }

  /** Notes that a file was read, once a day. */
  noteRead(sha256: string, lastTs: number): void {
    const now = this.clock.now();
    if (Math.abs(now - lastTs) < READ_GRAIN_MS) return;
    this.store.touch(sha256, now).catch((error: unknown) => this.log.warn('the reading of a file was not noted', { error: String(error) }));
  }
}
