import { Injectable, type OnModuleInit } from '@nestjs/common';
import { IsNull } from 'typeorm';
import { homeOfLog } from '#federation';
import { AccountServers } from '../accounts/account-servers.js';
import { AccountOps, type RemoteChange } from '../accounts/account-ops.js';
import { Deactivation } from '../accounts/deactivation.js';
import { Config } from '../config/config.js';
import { Database } from '../storage/database.js';
import { MediaCopies } from './copies/media-copies.js';
import { Media } from './media.entity.js';
import { mediaOp, readMediaOp } from './media-op.js';
import { MediaStore } from './media.store.js';

/** Media of an account that are told to a new home. */
const MAX_TOLD = 100_000;

/** What an account has uploaded at its other homes (docs/protocol.md §4). */
@Injectable()
export class MediaReplication implements OnModuleInit {
  constructor(
    private readonly config: Config,
    private readonly accounts: AccountServers,
    private readonly ops: AccountOps,
    private readonly deactivation: Deactivation,
    private readonly store: MediaStore,
    private readonly copies: MediaCopies,
    private readonly db: Database,
  ) {}

  onModuleInit(): void {
    this.ops.register('media', { merge: 'last-writer', apply: (change) => this.#apply(change), snapshot: (userId) => this.#own(userId) });
    // What rooms show stays, unless the person wanted as much as possible erased.
    this.deactivation.onDeactivated(async (userId, { erase }) => {
      if (erase) await this.db.transaction((tx) => tx.repository(Media).delete({ userId }));
    });
  }

  /** A home names media of its own only: what others have uploaded is not its to say. What an address named once it names for good. */
  async #apply({ userId, key, value, log }: RemoteChange): Promise<void> {
    const told = readMediaOp(key, value);
    if (!told || told.serverName === this.config.serverName || told.serverName !== (await this.#writerOf(userId, log))) return;
    const { serverName, mediaId, sha256, bytes, content_type: contentType, filename, created_ts: createdTs } = told;
    const row = { serverName, mediaId, userId, sha256, bytes, contentType, filename, createdTs, expiresTs: null };
    await this.db.transaction(async (tx) => {
      // Somebody here may have read it before.
      if ((await this.store.add(tx, row)) !== sha256) return;
      const rows = tx.repository(Media);
      await rows.update({ serverName, mediaId, userId: IsNull() }, { userId });
      await rows.update({ serverName, mediaId, userId }, { fetchAt: 0 });
    });
    this.copies.wake();
  }

  /** Whose key has signed a log. What an operation says of its writer itself is anybody's word. */
  async #writerOf(userId: string, log: string): Promise<string | undefined> {
    const record = await this.accounts.knownRecord(userId);
    return record && homeOfLog(record, log)?.server_name;
  }

  /** Others tell of theirs by themselves. */
  async #own(userId: string): Promise<ReturnType<typeof mediaOp>[]> {
    const rows = await this.db.repository(Media).find({ where: { userId, serverName: this.config.serverName }, order: { createdTs: 'ASC' }, take: MAX_TOLD });
    return rows.filter(({ sha256 }) => sha256 !== null).map(mediaOp);
  }
}
