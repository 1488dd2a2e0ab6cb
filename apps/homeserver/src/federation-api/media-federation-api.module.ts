import { Module } from '@nestjs/common';
import { HomesModule } from '../homes/homes.module.js';
import { MediaModule } from '../media/media.module.js';
import { MediaController } from './media/media.controller.js';
import { MediaCopiesController } from './media/media-copies.controller.js';

/** Pictures and files, between servers. */
@Module({ imports: [HomesModule, MediaModule], controllers: [MediaController, MediaCopiesController] })
export class MediaFederationApiModule {}
