import { join } from 'node:path';
import { Module } from '@nestjs/common';
import { AccountsModule } from '../accounts/accounts.module.js';
import { Config } from '../config/config.js';
import { Log } from '../observability/log.js';
import { AwaitedUploads } from './awaited-uploads.js';
import { MediaAskers } from './copies/media-askers.js';
import { MediaCopies } from './copies/media-copies.js';
import { MediaCopiesStore } from './copies/media-copies.store.js';
import { MediaProgress } from './copies/media-progress.js';
import { MediaDelivery } from './delivery/media-delivery.js';
import { MediaFiles } from './media-files.js';
import { MediaLibrary } from './media-library.js';
import { MediaReplication } from './media-replication.js';
import { MediaStore } from './media.store.js';
import { OriginMedia } from './remote/origin-media.js';
import { RemoteMedia } from './remote/remote-media.js';
import { ReplicaMedia } from './remote/replica-media.js';
import { MediaQuarantine } from './quarantine/media-quarantine.js';
import { PreviewImages } from './previews/preview-images.js';
import { UrlPreviews } from './previews/url-previews.js';
import { MediaRetention } from './retention/media-retention.js';
import { MediaRetentionStore } from './retention/media-retention.store.js';
import { DiskStorage } from './storage/disk-storage.js';
import { IncomingFiles } from './storage/incoming-files.js';
import { S3Storage } from './storage/s3-storage.js';
import { MediaStorage } from './storage/media-storage.js';
import { ThumbnailMaker } from './thumbnails/thumbnail-maker.js';
import { Thumbnails } from './thumbnails/thumbnails.js';
import { Uploads } from './uploads.js';

/** Pictures and files: uploads, storage, those of other servers. */
@Module({
  imports: [AccountsModule],
  providers: [
    {
      provide: MediaStorage,
      inject: [Config, IncomingFiles, Log],
      useFactory: ({ mediaPlace, dataDir }: Config, incoming: IncomingFiles, log: Log) =>
        (mediaPlace ? new S3Storage(mediaPlace, () => incoming.path(), log) : new DiskStorage(join(dataDir, 'media'))),
    },
    IncomingFiles, MediaStore, MediaQuarantine, MediaFiles, AwaitedUploads, Uploads, MediaCopiesStore, MediaCopies, MediaProgress, MediaAskers, MediaReplication, OriginMedia, ReplicaMedia, RemoteMedia, MediaLibrary, MediaDelivery, ThumbnailMaker, Thumbnails,
    MediaRetentionStore, MediaRetention, PreviewImages, UrlPreviews,
  ],
  exports: [UrlPreviews, MediaAskers, MediaCopiesStore, MediaProgress, Uploads, Thumbnails, MediaLibrary, MediaDelivery, MediaQuarantine],
})
export class MediaModule {}
