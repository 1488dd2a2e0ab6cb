import { rm } from 'node:fs/promises';
import { Injectable } from '@nestjs/common';
import { MatrixError } from '../../errors/matrix-error.js';
import type { MediaContent, MediaQuery } from '../media-content.js';
import { MediaLibrary } from '../media-library.js';
import { IncomingFiles } from '../storage/incoming-files.js';
import { fileKey, MediaStorage, type StoredFile, thumbnailsKey } from '../storage/media-storage.js';
import type { ThumbnailType } from './thumbnail-job.js';
import { ThumbnailMaker } from './thumbnail-maker.js';
import { thumbnailSize, type ThumbnailSize } from './thumbnail-size.js';

/** Of what there are thumbnails, and what may move. */
const PICTURES = new Set(['image/jpeg', 'image/png', 'image/apng', 'image/webp', 'image/gif', 'image/avif', 'image/tiff']);
const MOVING = new Set(['image/webp', 'image/gif']);
const TYPES = ['jpeg', 'png'] as const;
const MOVING_TYPES = ['webp', ...TYPES] as const;

export interface ThumbnailQuery extends MediaQuery, ThumbnailSize {
  readonly animated: boolean;
}

export interface Thumbnail {
  /** What tells it from all others. */
  readonly tag: string;
  readonly type: ThumbnailType;
  readonly file: StoredFile;
}

/** Small versions of pictures, made when they are first asked for and kept with their file. */
@Injectable()
export class Thumbnails {
  readonly #running = new Map<string, Promise<void>>();

  constructor(
    private readonly library: MediaLibrary,
    private readonly storage: MediaStorage,
    private readonly incoming: IncomingFiles,
    private readonly maker: ThumbnailMaker,
  ) {}

  /**
   * @throws MatrixError 400 M_UNKNOWN of what is no picture, 413 M_TOO_LARGE of one with too many pixels (502 of another server's), and
   *   as MediaLibrary.find
   */
  async find(query: ThumbnailQuery): Promise<Thumbnail> {
    const content = await this.library.find(query);
    if (!PICTURES.has(content.sniffedType ?? '')) throw noPicture();
    const size = thumbnailSize(query);
    const animated = query.animated && MOVING.has(content.sniffedType!);
    const name = `${size.width}x${size.height}${size.crop ? '-crop' : ''}${animated ? '-moving' : ''}`;
    const key = thumbnailsKey(content.sha256) + name;
    const stored = async (): Promise<Thumbnail | undefined> => {
      for (const type of animated ? MOVING_TYPES : TYPES) {
        const file = await this.storage.open(`${key}.${type}`);
        // What a loss of power left of one that was being made.
        if (file?.bytes === 0) file.stream.destroy();
        else if (file) return { tag: `${content.sha256}-${name}`, type, file };
      }
      return undefined;
    };
    const found = await stored();
    if (found) return found;
    let running = this.#running.get(key);
    if (!running) {
      running = this.#make(key, content, { ...size, animated }, query.party).finally(() => this.#running.delete(key));
      this.#running.set(key, running);
    }
    await running;
    const made = await stored();
    if (!made) throw noPicture();
    return made;
  }

  async #make(key: string, { sha256 }: MediaContent, size: ThumbnailSize & { readonly animated: boolean }, party: string): Promise<void> {
    const source = await this.storage.local(fileKey(sha256));
    if (!source) throw MatrixError.notFound('The file is not here any more');
    const output = this.incoming.path();
    try {
      const result = await this.maker.make({ input: source.path, output, ...size }, party);
      if ('problem' in result) throw result.problem === 'too large' ? MatrixError.tooLarge('The picture has too many pixels') : noPicture();
      await this.storage.put(`${key}.${result.type}`, output);
    } finally {
      await rm(output, { force: true });
      await source.done();
    }
  }
}

function noPicture(): MatrixError {
  return MatrixError.unknown(400, 'There is no thumbnail of this file');
}
