import { Module } from '@nestjs/common';
import { MediaModule } from '../media/media.module.js';
import { MediaController } from './media/media.controller.js';

/** Pictures and files, between servers. */
@Module({ imports: [MediaModule], controllers: [MediaController] })
export class MediaFederationApiModule {}
