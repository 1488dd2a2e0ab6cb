import { Controller, Get, Param, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Requester } from '../../accounts/requester.js';
import { Config } from '../../config/config.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, QueryParams } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { UrlPreviews } from '../../media/previews/url-previews.js';
import { MediaReading } from './media-reading.js';
import { type DownloadParameters, downloadSchema, type PreviewQuery, previewSchema, type ThumbnailParameters, thumbnailSchema } from './media.schema.js';

/** Client-server API, §Content repository, with an access token; what needed one in the old form, too, is there as well. */
@Controller('/_matrix')
export class MediaController {
  constructor(
    private readonly config: Config,
    private readonly reading: MediaReading,
    private readonly previews: UrlPreviews,
  ) {}

  @Get(['client/v1/media/config', 'media/v3/config'])
  @Auth('user-or-guest')
  settings(): object {
    return { 'm.upload.size': this.config.maxUploadBytes };
  }

  @Get(['client/v1/media/preview_url', 'media/v3/preview_url'])
  @Auth('user')
  @RateLimit('preview')
  preview(@CurrentUser() requester: Requester, @QueryParams(previewSchema) { url }: PreviewQuery): Promise<object> {
    return this.previews.of(url, requester.userId);
  }

  @Get('client/v1/media/download/:serverName/:mediaId')
  @Auth('user-or-guest')
  @RateLimit('media')
  download(
    @Param('serverName') serverName: string, @Param('mediaId') mediaId: string, @QueryParams(downloadSchema) query: DownloadParameters,
    @Req() request: FastifyRequest, @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.reading.download(request, reply, { serverName, mediaId }, query);
  }

  @Get('client/v1/media/download/:serverName/:mediaId/:fileName')
  @Auth('user-or-guest')
  @RateLimit('media')
  downloadAs(
    @Param('serverName') serverName: string, @Param('mediaId') mediaId: string, @Param('fileName') filename: string,
    @QueryParams(downloadSchema) query: DownloadParameters, @Req() request: FastifyRequest, @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.reading.download(request, reply, { serverName, mediaId }, query, filename);
  }

  @Get('client/v1/media/thumbnail/:serverName/:mediaId')
  @Auth('user-or-guest')
  @RateLimit('media')
  thumbnail(
    @Param('serverName') serverName: string, @Param('mediaId') mediaId: string, @QueryParams(thumbnailSchema) query: ThumbnailParameters,
    @Req() request: FastifyRequest, @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.reading.thumbnail(request, reply, { serverName, mediaId }, query);
  }
}
