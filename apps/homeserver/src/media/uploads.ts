import { Injectable } from '@nestjs/common';
import { AccountOps } from '../accounts/account-ops.js';
import { Config } from '../config/config.js';
import { MatrixError } from '../errors/matrix-error.js';
import { Clock } from '../observability/clock.js';
import { Random } from '../observability/random.js';
import { Database } from '../storage/database.js';
import { AwaitedUploads } from './awaited-uploads.js';
import { type MediaAddress, mxcUri } from './media-address.js';
import type { MediaLabels } from './media-content.js';
import { Media } from './media.entity.js';
import { MediaFiles } from './media-files.js';
import { mediaOp } from './media-op.js';
import { MediaStore } from './media.store.js';
import { IncomingFiles } from './storage/incoming-files.js';

/** The specification's recommendation for addresses that nobody uploads to. */
const UNUSED_MS = 24 * 3_600_000;
/** Addresses that an account may have reserved at once. */
const MAX_PENDING = 20;
/** Uploads of an account that come at the same time: until they are whole they take room that no quota counts. */
const MAX_AT_ONCE = 10;
/** 144 bits: addresses are secrets where media can be read without a token. */
const ID_BYTES = 18;

export interface Upload extends MediaLabels {
  readonly userId: string;
  /** As the client announces it; undefined where it does not. */
  readonly length: number | undefined;
  readonly source: AsyncIterable<Buffer>;
}

/** Takes files of accounts on this server. */
@Injectable()
export class Uploads {
  readonly #coming = new Map<string, number>();

  constructor(
    private readonly config: Config,
    private readonly incoming: IncomingFiles,
    private readonly files: MediaFiles,
    private readonly store: MediaStore,
    private readonly awaited: AwaitedUploads,
    private readonly ops: AccountOps,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /** @throws MatrixError 413 M_TOO_LARGE, 403 M_FORBIDDEN beyond the quota; both before anything is read, where the length is known */
  async upload(upload: Upload): Promise<string> {
    const address = this.#newAddress();
    await this.#take(upload, address, true);
    return mxcUri(address);
  }

  /**
   * Reserves an address for a later upload.
   *
   * @throws MatrixError 429 M_LIMIT_EXCEEDED when too many wait already
   */
  async reserve(userId: string): Promise<{ uri: string; expiresTs: number }> {
    const now = this.clock.now();
    if ((await this.store.pending(userId, now)) >= MAX_PENDING) {
      throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many addresses wait for an upload', { retry_after_ms: 60_000 });
    }
    const address = this.#newAddress();
    const row = { ...address, userId, sha256: null, bytes: null, contentType: '', filename: null, createdTs: now, expiresTs: now + UNUSED_MS };
    await this.db.transaction((tx) => tx.repository(Media).insert(row));
    return { uri: mxcUri(address), expiresTs: row.expiresTs };
  }

  /**
   * Uploads to a reserved address.
   *
   * @throws MatrixError 404 M_NOT_FOUND, 403 M_FORBIDDEN of somebody else, 409 M_CANNOT_OVERWRITE_MEDIA, and as `upload`
   */
  async fill(address: MediaAddress, upload: Upload): Promise<void> {
    const found = address.serverName === this.config.serverName ? await this.store.find(address) : undefined;
    if (!found || (found.expires_ts !== null && found.expires_ts <= this.clock.now())) throw MatrixError.notFound('No such address was reserved');
    if (found.user_id !== upload.userId) throw MatrixError.forbidden('Somebody else has reserved this address');
    if (found.sha256 !== null) throw cannotOverwrite();
    await this.#take(upload, address, false);
    this.awaited.arrived(address);
  }

  async #take(upload: Upload, address: MediaAddress, isNew: boolean): Promise<void> {
    const { userId, contentType, filename, length } = upload;
    const max = this.config.maxUploadBytes;
    if ((length ?? 0) > max) throw MatrixError.tooLarge(`Files of up to ${max} bytes are taken`);
    await this.#checkQuota(userId, length ?? 0);
    const file = await this.#inTurn(userId, () => this.incoming.take(upload.source, max));
    try {
      if (length === undefined) await this.#checkQuota(userId, file.bytes);
      const { sha256, bytes } = file;
      const createdTs = this.clock.now();
      const row = { ...address, userId, sha256, bytes, contentType, filename, createdTs, expiresTs: null };
      await this.files.keep(file, async (tx) => {
        if (isNew) await tx.repository(Media).insert(row);
        else if (!(await this.store.fill(tx, address, row))) throw cannotOverwrite();
        await this.ops.record(tx, userId, [mediaOp(row)]);
      });
    } finally {
      await file.discard();
    }
  }

  /** @throws MatrixError 429 M_LIMIT_EXCEEDED when too many come already */
  async #inTurn<T>(userId: string, take: () => Promise<T>): Promise<T> {
    const count = this.#coming.get(userId) ?? 0;
    if (count >= MAX_AT_ONCE) throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many uploads at once', { retry_after_ms: 2_000 });
    this.#coming.set(userId, count + 1);
    try {
      return await take();
    } finally {
      const left = this.#coming.get(userId)! - 1;
      if (left > 0) this.#coming.set(userId, left);
      else this.#coming.delete(userId);
    }
  }

  async #checkQuota(userId: string, bytes: number): Promise<void> {
    const quota = this.config.mediaQuotaBytes;
    if ((await this.store.usage(userId)) + bytes > quota) throw MatrixError.forbidden(`The files of an account may take ${quota} bytes`);
  }

  #newAddress(): MediaAddress {
    return { serverName: this.config.serverName, mediaId: this.random.token(ID_BYTES) };
  }
}

function cannotOverwrite(): MatrixError {
  return new MatrixError(409, 'M_CANNOT_OVERWRITE_MEDIA', 'There is a file at this address already');
}
