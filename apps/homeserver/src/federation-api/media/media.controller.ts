import { Controller, Get, Param, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Config } from '../../config/config.js';
import { Auth } from '../../http/auth.decorator.js';
import { OriginServer, QueryParams } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { queryBoolean, queryNumber } from '../../http/query-schemas.js';
import { MediaDelivery } from '../../media/delivery/media-delivery.js';
import { mediaAddress } from '../../media/media-address.js';
import { MediaLibrary } from '../../media/media-library.js';
import { Thumbnails } from '../../media/thumbnails/thumbnails.js';

const downloadQuery = z.object({ timeout_ms: queryNumber(60_000).default(20_000) });
const thumbnailQuery = downloadQuery.extend({
  width: queryNumber(100_000), height: queryNumber(100_000), method: z.enum(['crop', 'scale']).default('scale'), animated: queryBoolean.default(false),
});

/** Server-server API, §Content repository: media of this server. */
@Controller('/_matrix/federation/v1/media')
export class MediaController {
  constructor(
    private readonly config: Config,
    private readonly library: MediaLibrary,
    private readonly thumbnails: Thumbnails,
    private readonly delivery: MediaDelivery,
  ) {}

  @Get('download/:mediaId')
  @Auth('server')
  @RateLimit('media')
  async download(
    @OriginServer() origin: string, @Param('mediaId') mediaId: string, @QueryParams(downloadQuery) query: z.output<typeof downloadQuery>,
    @Req() request: FastifyRequest, @Res() reply: FastifyReply,
  ): Promise<void> {
    const address = mediaAddress(this.config.serverName, mediaId);
    const content = await this.library.find({ address, party: origin, timeoutMs: query.timeout_ms, allowRemote: false });
    await this.delivery.toServer(request, reply, content);
  }

  @Get('thumbnail/:mediaId')
  @Auth('server')
  @RateLimit('media')
  async thumbnail(
    @OriginServer() origin: string, @Param('mediaId') mediaId: string, @QueryParams(thumbnailQuery) query: z.output<typeof thumbnailQuery>,
    @Req() request: FastifyRequest, @Res() reply: FastifyReply,
  ): Promise<void> {
    const address = mediaAddress(this.config.serverName, mediaId);
    const { width, height, method, animated, timeout_ms: timeoutMs } = query;
    const thumbnail = await this.thumbnails.find({
      address, party: origin, timeoutMs, allowRemote: false, width, height, crop: method === 'crop', animated,
    });
    this.delivery.thumbnailToServer(request, reply, thumbnail);
  }
}
