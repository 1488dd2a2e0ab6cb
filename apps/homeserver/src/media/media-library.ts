import { Injectable } from '@nestjs/common';
import { Config } from '../config/config.js';
import { MatrixError } from '../errors/matrix-error.js';
import { Clock } from '../observability/clock.js';
import { AwaitedUploads } from './awaited-uploads.js';
import type { MediaContent, MediaQuery } from './media-content.js';
import { MediaFiles } from './media-files.js';
import { type FoundMedia, MediaStore } from './media.store.js';
import { MediaQuarantine } from './quarantine/media-quarantine.js';
import { RemoteMedia } from './remote/remote-media.js';

/** Finds media by their address, wherever they are. */
@Injectable()
export class MediaLibrary {
  constructor(
    private readonly config: Config,
    private readonly store: MediaStore,
    private readonly files: MediaFiles,
    private readonly awaited: AwaitedUploads,
    private readonly remote: RemoteMedia,
    private readonly quarantine: MediaQuarantine,
    private readonly clock: Clock,
  ) {}

  /**
   * @throws MatrixError 404 M_NOT_FOUND; 504 M_NOT_YET_UPLOADED where an upload was announced that did not come in time; 502 of media that
   *   another server has and cannot give, M_TOO_LARGE where they are larger than what is taken here
   */
  async find(query: MediaQuery): Promise<MediaContent> {
    this.quarantine.assertFree(query.address);
    const content = await this.#find(query);
    this.quarantine.assertFree(content.sha256);
    return content;
  }

  async #find(query: MediaQuery): Promise<MediaContent> {
    const here = await this.#here(query);
    if (here) return here;
    if (!query.allowRemote) throw MatrixError.notFound('The file is not here');
    const isOwn = query.address.serverName === this.config.serverName;
    const claimed = await this.remote.fetch(query).catch((error: unknown) => {
      // Its file is gone, and none of the uploader's other homes has it.
      throw isOwn ? MatrixError.notFound('The file is not here any more') : error;
    });
    if (claimed) return claimed;
    const fetched = await this.#here(query);
    if (!fetched) throw MatrixError.notFound('There is no such file');
    return fetched;
  }

  /** @throws MatrixError as `find`, of addresses of this server */
  async #here({ address, timeoutMs }: MediaQuery): Promise<MediaContent | undefined> {
    let found = await this.store.find(address);
    if (address.serverName === this.config.serverName) {
      const isGone = () => !found || (found.expires_ts !== null && found.expires_ts <= this.clock.now());
      if (isGone()) throw MatrixError.notFound('There is no such file');
      if (found!.sha256 === null) {
        await this.awaited.wait(address, timeoutMs);
        found = await this.store.find(address);
        if (isGone()) throw MatrixError.notFound('There is no such file');
        if (found!.sha256 === null) throw new MatrixError(504, 'M_NOT_YET_UPLOADED', 'Nothing has been uploaded to this address yet');
      }
    }
    return found && this.#content(found);
  }

  #content({ sha256, file_bytes: bytes, content_type: contentType, sniffed_type: sniffedType, filename, read_ts: readTs }: FoundMedia): MediaContent | undefined {
    if (sha256 === null || bytes === null) return undefined;
    this.files.noteRead(sha256, readTs!);
    return { sha256, bytes, contentType, sniffedType, filename };
  }
}
