import { Module } from '@nestjs/common';
import { MediaModule } from '../media/media.module.js';
import { AccountMediaController } from './media/account-media.controller.js';
import { MediaController } from './media/media.controller.js';
import { MediaReading } from './media/media-reading.js';
import { OpenMediaController } from './media/open-media.controller.js';
import { UploadController } from './media/upload.controller.js';

/** Pictures and files, for clients. */
@Module({ imports: [MediaModule], controllers: [AccountMediaController, UploadController, MediaController, OpenMediaController], providers: [MediaReading] })
export class MediaApiModule {}
