import { Controller, Get, Param, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { QueryParams } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { MediaReading } from './media-reading.js';
import { type DownloadParameters, downloadSchema, type ThumbnailParameters, thumbnailSchema } from './media.schema.js';

/** Reading without a token, deprecated since v1.11: who knows an address may read what it names, unless the operator has closed it. */
@Controller('/_matrix/media/v3')
export class OpenMediaController {
  constructor(
    private readonly config: Config,
    private readonly reading: MediaReading,
  ) {}

  @Get('download/:serverName/:mediaId')
  @Auth('none')
  @RateLimit('media')
  download(
    @Param('serverName') serverName: string, @Param('mediaId') mediaId: string, @QueryParams(downloadSchema) query: DownloadParameters,
    @Req() request: FastifyRequest, @Res() reply: FastifyReply,
  ): Promise<void> {
    this.#assertOpen();
    return this.reading.download(request, reply, { serverName, mediaId }, query);
  }

  @Get('download/:serverName/:mediaId/:fileName')
  @Auth('none')
  @RateLimit('media')
  downloadAs(
    @Param('serverName') serverName: string, @Param('mediaId') mediaId: string, @Param('fileName') filename: string,
    @QueryParams(downloadSchema) query: DownloadParameters, @Req() request: FastifyRequest, @Res() reply: FastifyReply,
  ): Promise<void> {
    this.#assertOpen();
    return this.reading.download(request, reply, { serverName, mediaId }, query, filename);
  }

  @Get('thumbnail/:serverName/:mediaId')
  @Auth('none')
  @RateLimit('media')
  thumbnail(
    @Param('serverName') serverName: string, @Param('mediaId') mediaId: string, @QueryParams(thumbnailSchema) query: ThumbnailParameters,
    @Req() request: FastifyRequest, @Res() reply: FastifyReply,
  ): Promise<void> {
    this.#assertOpen();
    return this.reading.thumbnail(request, reply, { serverName, mediaId }, query);
  }

  #assertOpen(): void {
    if (!this.config.openMedia) throw MatrixError.notFound('Files are read with an access token here');
  }
}
