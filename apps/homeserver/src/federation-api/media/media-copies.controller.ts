import { Controller, Get, Param, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { HomeRequests } from '../../homes/ops/home-requests.js';
import { OperationProofs } from '../../homes/ops/operation-proofs.js';
import { Auth } from '../../http/auth.decorator.js';
import { OriginServer, QueryParams } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { MediaAskers } from '../../media/copies/media-askers.js';
import { MediaCopiesStore } from '../../media/copies/media-copies.store.js';
import { MediaDelivery } from '../../media/delivery/media-delivery.js';
import { mediaAddress } from '../../media/media-address.js';
import { mediaOpKey } from '../../media/media-op.js';

const roomQuery = z.object({ room_id: z.string().max(255).optional() });
type RoomQuery = z.output<typeof roomQuery>;

/** Media that outlive their server (docs/protocol.md, "Media"). */
@Controller('/_matrix/federation/unstable/io.partyline')
export class MediaCopiesController {
  constructor(
    private readonly askers: MediaAskers,
    private readonly delivery: MediaDelivery,
    private readonly proofs: OperationProofs,
    private readonly homes: HomeRequests,
    private readonly copies: MediaCopiesStore,
  ) {}

  @Get('media/sha256/:sha256')
  @Auth('server')
  @RateLimit('media')
  async byHash(
    @OriginServer() origin: string, @Param('sha256') sha256: string, @QueryParams(roomQuery) { room_id: roomId }: RoomQuery,
    @Req() request: FastifyRequest, @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.delivery.toServer(request, reply, await this.askers.byHash(origin, sha256, roomId));
  }

  @Get('media/address/:serverName/:mediaId')
  @Auth('server')
  @RateLimit('media')
  async byAddress(
    @OriginServer() origin: string, @Param('serverName') serverName: string, @Param('mediaId') mediaId: string,
    @QueryParams(roomQuery) { room_id: roomId }: RoomQuery,
  ): Promise<object> {
    const address = mediaAddress(serverName, mediaId);
    const { sha256, user_id: userId } = await this.askers.byAddress(origin, address, roomId);
    const operation = userId === null ? undefined : await this.proofs.of(userId, { kind: 'media', key: mediaOpKey(address) }, serverName);
    return { sha256, ...(operation && { user_id: userId, operation }) };
  }

  @Get('account/:userId/media')
  @Auth('server')
  async counts(@OriginServer() origin: string, @Param('userId') userId: string): Promise<object> {
    await this.homes.authorise(origin, userId, 1);
    return this.copies.counts(userId);
  }
}
