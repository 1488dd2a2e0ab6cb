import { Controller, Get, Param, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Config } from '../../config/config.js';
import { Auth } from '../../http/auth.decorator.js';
import { OriginServer, QueryParams } from '../../http/param.decorators.js';
import { queryNumber } from '../../http/query-schemas.js';
import { MediaDelivery } from '../../media/delivery/media-delivery.js';
import { mediaAddress } from '../../media/media-address.js';
import { MediaLibrary } from '../../media/media-library.js';

const downloadQuery = z.object({ timeout_ms: queryNumber(60_000).default(20_000) });

/** Server-server API, §Content repository: media of this server. */
@Controller('/_matrix/federation/v1/media')
export class MediaController {
  constructor(
    private readonly config: Config,
    private readonly library: MediaLibrary,
    private readonly delivery: MediaDelivery,
  ) {}

  @Get('download/:mediaId')
  @Auth('server')
  async download(
    @OriginServer() origin: string, @Param('mediaId') mediaId: string, @QueryParams(downloadQuery) query: z.output<typeof downloadQuery>,
    @Req() request: FastifyRequest, @Res() reply: FastifyReply,
  ): Promise<void> {
    const address = mediaAddress(this.config.serverName, mediaId);
    const content = await this.library.find({ address, party: origin, timeoutMs: query.timeout_ms, allowRemote: false });
    await this.delivery.toServer(request, reply, content);
  }
}
