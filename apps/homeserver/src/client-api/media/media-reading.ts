import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { addressKey } from '../../http/rate-limits.js';
import { MediaDelivery } from '../../media/delivery/media-delivery.js';
import { mediaAddress, type MediaAddress } from '../../media/media-address.js';
import type { MediaQuery } from '../../media/media-content.js';
import { MediaLibrary } from '../../media/media-library.js';
import { storableName } from '../../media/remote/received-file.js';
import { Thumbnails } from '../../media/thumbnails/thumbnails.js';
import type { DownloadParameters, ThumbnailParameters } from './media.schema.js';

/** What both forms of reading do. */
@Injectable()
export class MediaReading {
  constructor(
    private readonly library: MediaLibrary,
    private readonly thumbnails: Thumbnails,
    private readonly delivery: MediaDelivery,
  ) {}

  /** @param filename in place of the one under which it was uploaded */
  async download(request: FastifyRequest, reply: FastifyReply, names: MediaAddress, parameters: DownloadParameters, filename?: string): Promise<void> {
    const content = await this.library.find(queryOf(request, names, parameters));
    await this.delivery.toClient(request, reply, filename === undefined ? content : { ...content, filename: storableName(filename) });
  }

  async thumbnail(request: FastifyRequest, reply: FastifyReply, names: MediaAddress, parameters: ThumbnailParameters): Promise<void> {
    const { width, height, method, animated } = parameters;
    const thumbnail = await this.thumbnails.find({ ...queryOf(request, names, parameters), width, height, crop: method === 'crop', animated });
    this.delivery.thumbnailToClient(request, reply, thumbnail);
  }
}

export function queryOf(request: FastifyRequest, { serverName, mediaId }: MediaAddress, parameters: DownloadParameters): MediaQuery {
  const readerId = request.requester?.userId;
  return {
    address: mediaAddress(serverName, mediaId),
    party: readerId ?? addressKey(request.ip),
    readerId,
    sha256: parameters['io.partyline.sha256'],
    timeoutMs: parameters.timeout_ms,
    allowRemote: parameters.allow_remote,
  };
}
