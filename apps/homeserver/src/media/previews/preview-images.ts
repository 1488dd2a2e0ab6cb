import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { Clock } from '../../observability/clock.js';
import { Random } from '../../observability/random.js';
import { mxcUri } from '../media-address.js';
import { MediaFiles } from '../media-files.js';
import { MediaStore } from '../media.store.js';
import { sniffedType } from '../sniffed-type.js';
import type { IncomingFile } from '../storage/incoming-files.js';
import { ThumbnailMaker } from '../thumbnails/thumbnail-maker.js';
import type { Preview } from './preview.js';

/** Images of previews, as media of this server that nobody has uploaded: they go when nobody reads them. */
@Injectable()
export class PreviewImages {
  constructor(
    private readonly config: Config,
    private readonly files: MediaFiles,
    private readonly store: MediaStore,
    private readonly maker: ThumbnailMaker,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /** Stores it, under one address however many pages show it. Nothing for what is no picture. */
  async keep(file: IncomingFile, userId: string): Promise<Preview> {
    try {
      const contentType = await sniffedType(file.head);
      if (!contentType?.startsWith('image/')) return {};
      const measured = await this.maker.make({ input: file.path, output: null, width: 0, height: 0, crop: false, animated: false }, userId);
      if ('problem' in measured) return {};
      const { serverName } = this.config;
      const { sha256, bytes } = file;
      const mediaId = (await this.store.unowned(serverName, sha256)) ?? this.random.token(18);
      const row = { serverName, mediaId, userId: null, sha256, bytes, contentType, filename: null, createdTs: this.clock.now(), expiresTs: null };
      await this.files.keep(file, async (tx) => void (await this.store.add(tx, row)));
      return {
        'og:image': mxcUri({ serverName, mediaId }), 'og:image:type': contentType, 'og:image:width': measured.width, 'og:image:height': measured.height,
        'matrix:image:size': bytes,
      };
    } finally {
      await file.discard();
    }
  }
}
