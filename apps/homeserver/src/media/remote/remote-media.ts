import { Injectable } from '@nestjs/common';
import { MatrixError } from '../../errors/matrix-error.js';
import { FairSlots, fairLimits } from '../../federation/outgoing/fair-slots.js';
import { RemoteError, UnreachableError } from '../../federation/outgoing/remote-error.js';
import { Clock } from '../../observability/clock.js';
import { type MediaAddress, mxcUri } from '../media-address.js';
import type { MediaContent, MediaQuery } from '../media-content.js';
import { MediaFiles } from '../media-files.js';
import { MediaStore } from '../media.store.js';
import { UNKNOWN_TYPE } from '../served-type.js';
import { OriginMedia } from './origin-media.js';
import type { ReceivedFile } from './received-file.js';
import { claimedHash, ReplicaMedia } from './replica-media.js';

/** Files that are fetched at once, and what makes a server a slow one: files take their time. */
const SLOTS = 32;
const SLOW_MS = 10_000;

/** Brings media of other servers here; whoever asks for the same at the same time waits for the same request. */
@Injectable()
export class RemoteMedia {
  readonly #running = new Map<string, Promise<MediaContent | undefined>>();
  readonly #slots = new FairSlots(fairLimits(SLOTS), SLOW_MS);

  constructor(
    private readonly origin: OriginMedia,
    private readonly replicas: ReplicaMedia,
    private readonly files: MediaFiles,
    private readonly store: MediaStore,
    private readonly clock: Clock,
  ) {}

  /**
   * @returns undefined when it is stored under its address; the file itself where it is the one of the hash that the client named, and
   *   nobody else says that it is what the address names
   * @throws MatrixError 404 M_NOT_FOUND, 504 M_NOT_YET_UPLOADED, 502 for whatever else keeps the origin from giving it
   */
  async fetch(query: MediaQuery): Promise<MediaContent | undefined> {
    const key = `${mxcUri(query.address)} ${query.sha256 ?? ''}`;
    let running = this.#running.get(key);
    if (!running) {
      running = this.#slots.run({ account: query.party, destination: query.address.serverName }, () => this.#fetch(query))
        .finally(() => this.#running.delete(key));
      this.#running.set(key, running);
    }
    return running;
  }

  async #fetch(query: MediaQuery): Promise<MediaContent | undefined> {
    try {
      await this.#store(query.address, await this.origin.download(query.address, query.timeoutMs));
      return undefined;
    } catch (error) {
      const reason = error instanceof RemoteError ? meaningOf(error) : error;
      if (!isSilence(error)) throw reason;
      const found = await this.#elsewhere(query);
      if (found === 'nowhere') throw reason;
      return found;
    }
  }

  async #elsewhere(query: MediaQuery): Promise<MediaContent | undefined | 'nowhere'> {
    const row = await this.store.find(query.address);
    const { sha256: claimed } = query;
    if (row?.sha256 === undefined && claimed !== undefined) {
      const here = await this.#claimed(claimed);
      if (here) return here;
    }
    const told = row && row.sha256 !== null ? { sha256: row.sha256, labels: { contentType: row.content_type, filename: row.filename }, isClaimed: false } : undefined;
    const found = await this.replicas.find(query, told ?? (claimed === undefined ? undefined : claimedHash(claimed)), row?.user_id ?? null);
    if (!found) return 'nowhere';
    if (!found.isClaimed) {
      await this.#store(query.address, found);
      return undefined;
    }
    try {
      await this.files.keep(found.file, () => Promise.resolve());
    } finally {
      await found.file.discard();
    }
    return this.#claimed(found.file.sha256);
  }

  async #claimed(sha256: string): Promise<MediaContent | undefined> {
    const file = await this.store.file(sha256);
    return file && { sha256, bytes: file.bytes, contentType: file.sniffed_type ?? UNKNOWN_TYPE, sniffedType: file.sniffed_type, filename: null };
  }

  async #store({ serverName, mediaId }: MediaAddress, { file, contentType, filename }: ReceivedFile): Promise<void> {
    const { sha256, bytes } = file;
    const row = { serverName, mediaId, userId: null, sha256, bytes, contentType, filename, createdTs: this.clock.now(), expiresTs: null };
    try {
      await this.files.keep(file, async (tx) => {
        if ((await this.store.add(tx, row)) !== sha256) throw new MatrixError(502, 'M_UNKNOWN', `${serverName} gives another file than was uploaded`);
      });
    } finally {
      await file.discard();
    }
  }
}

/** Whether the origin has said nothing about the file. */
function isSilence(error: unknown): boolean {
  if (error instanceof UnreachableError) return true;
  return error instanceof RemoteError && error.remoteStatus >= 500 && !['M_NOT_YET_UPLOADED', 'M_TOO_LARGE'].includes(error.remoteErrcode);
}

/** What the origin says, in the words of the answer to whoever asked here. */
function meaningOf(error: RemoteError): MatrixError {
  if (error.remoteErrcode === 'M_NOT_YET_UPLOADED') return new MatrixError(504, 'M_NOT_YET_UPLOADED', error.message);
  if (error.remoteErrcode === 'M_TOO_LARGE') return new MatrixError(502, 'M_TOO_LARGE', error.message);
  if (error.remoteStatus === 404) return MatrixError.notFound(error.message);
  return error;
}
