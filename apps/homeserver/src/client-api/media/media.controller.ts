import { Controller, Get, Param, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Config } from '../../config/config.js';
import { Auth } from '../../http/auth.decorator.js';
import { QueryParams } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { MediaReading } from './media-reading.js';
import { type DownloadParameters, downloadSchema, type ThumbnailParameters, thumbnailSchema } from './media.schema.js';

/** Client-server API, §Content repository, with an access token. */
@Controller('/_matrix/client/v1/media')
export class MediaController {
  constructor(
    private readonly config: Config,
    private readonly reading: MediaReading,
  ) {}

  @Get('config')
  @Auth('user-or-guest')
  settings(): object {
    return { 'm.upload.size': this.config.maxUploadBytes };
  }

  @Get('download/:serverName/:mediaId')
  @Auth('user-or-guest')
  @RateLimit('media')
  download(
    @Param('serverName') serverName: string, @Param('mediaId') mediaId: string, @QueryParams(downloadSchema) query: DownloadParameters,
    @Req() request: FastifyRequest, @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.reading.download(request, reply, { serverName, mediaId }, query);
  }

  @Get('download/:serverName/:mediaId/:fileName')
  @Auth('user-or-guest')
  @RateLimit('media')
  downloadAs(
    @Param('serverName') serverName: string, @Param('mediaId') mediaId: string, @Param('fileName') filename: string,
    @QueryParams(downloadSchema) query: DownloadParameters, @Req() request: FastifyRequest, @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.reading.download(request, reply, { serverName, mediaId }, query, filename);
  }

  @Get('thumbnail/:serverName/:mediaId')
  @Auth('user-or-guest')
  @RateLimit('media')
  thumbnail(
    @Param('serverName') serverName: string, @Param('mediaId') mediaId: string, @QueryParams(thumbnailSchema) query: ThumbnailParameters,
    @Req() request: FastifyRequest, @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.reading.thumbnail(request, reply, { serverName, mediaId }, query);
  }
}
