import { Injectable } from '@nestjs/common';
import { MatrixError } from '../../errors/matrix-error.js';
import { FairSlots, fairLimits } from '../../federation/outgoing/fair-slots.js';
import { RemoteError } from '../../federation/outgoing/remote-error.js';
import { Clock } from '../../observability/clock.js';
import { type MediaAddress, mxcUri } from '../media-address.js';
import type { MediaQuery } from '../media-content.js';
import { MediaFiles } from '../media-files.js';
import { MediaStore } from '../media.store.js';
import { OriginMedia } from './origin-media.js';
import type { ReceivedFile } from './received-file.js';

/** Files that are fetched at once, and what makes a server a slow one: files take their time. */
const SLOTS = 32;
const SLOW_MS = 10_000;

/** Brings media of other servers here; whoever asks for the same at the same time waits for the same request. */
@Injectable()
export class RemoteMedia {
  readonly #running = new Map<string, Promise<void>>();
  readonly #slots = new FairSlots(fairLimits(SLOTS), SLOW_MS);

  constructor(
    private readonly origin: OriginMedia,
    private readonly files: MediaFiles,
    private readonly store: MediaStore,
    private readonly clock: Clock,
  ) {}

  /** @throws MatrixError 404 M_NOT_FOUND, 504 M_NOT_YET_UPLOADED, 502 for whatever else keeps the origin from giving it */
  async fetch(query: MediaQuery): Promise<void> {
    const key = mxcUri(query.address);
    let running = this.#running.get(key);
    if (!running) {
      running = this.#slots.run({ account: query.party, destination: query.address.serverName }, () => this.#fetch(query))
        .finally(() => this.#running.delete(key));
      this.#running.set(key, running);
    }
    await running;
  }

  async #fetch({ address, timeoutMs }: MediaQuery): Promise<void> {
    try {
      await this.#store(address, await this.origin.download(address, timeoutMs));
    } catch (error) {
      throw error instanceof RemoteError ? meaningOf(error) : error;
    }
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

/** What the origin says, in the words of the answer to whoever asked here. */
function meaningOf(error: RemoteError): MatrixError {
  if (error.remoteErrcode === 'M_NOT_YET_UPLOADED') return new MatrixError(504, 'M_NOT_YET_UPLOADED', error.message);
  if (error.remoteErrcode === 'M_TOO_LARGE') return new MatrixError(502, 'M_TOO_LARGE', error.message);
  if (error.remoteStatus === 404) return MatrixError.notFound(error.message);
  return error;
}
