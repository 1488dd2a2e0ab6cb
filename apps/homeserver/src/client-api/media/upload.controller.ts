import { Controller, Param, Post, Put, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Requester } from '../../accounts/requester.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { BodyOptions } from '../../http/body-options.decorator.js';
import { CurrentUser, QueryParams } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { mediaAddress } from '../../media/media-address.js';
import { storableName } from '../../media/remote/received-file.js';
import { storableType } from '../../media/served-type.js';
import { Uploads, type Upload } from '../../media/uploads.js';
import { type UploadQuery, uploadSchema } from './media.schema.js';

/** Client-server API, §Content repository: uploads. */
@Controller('/_matrix/media')
export class UploadController {
  constructor(private readonly uploads: Uploads) {}

  @Post('v3/upload')
  @Auth('user', { suspended: 'refuse' })
  @RateLimit('upload')
  @BodyOptions({ stream: true })
  async upload(
    @CurrentUser() requester: Requester, @QueryParams(uploadSchema) query: UploadQuery, @Req() request: FastifyRequest,
  ): Promise<object> {
    return read(request, async () => ({ content_uri: await this.uploads.upload(uploadOf(requester, request, query)) }));
  }

  @Put('v3/upload/:serverName/:mediaId')
  @Auth('user', { suspended: 'refuse' })
  @RateLimit('upload')
  @BodyOptions({ stream: true })
  async fill(
    @CurrentUser() requester: Requester, @Param('serverName') serverName: string, @Param('mediaId') mediaId: string,
    @QueryParams(uploadSchema) query: UploadQuery, @Req() request: FastifyRequest,
  ): Promise<object> {
    return read(request, async () => {
      await this.uploads.fill(mediaAddress(serverName, mediaId), uploadOf(requester, request, query));
      return {};
    });
  }

  @Post('v1/create')
  @Auth('user', { suspended: 'refuse' })
  @RateLimit('upload')
  async create(@CurrentUser() requester: Requester): Promise<object> {
    const { uri, expiresTs } = await this.uploads.reserve(requester.userId);
    return { content_uri: uri, unused_expires_at: expiresTs };
  }
}

function uploadOf({ userId }: Requester, request: FastifyRequest, { filename }: UploadQuery): Upload {
  const length = request.headers['content-length'];
  return {
    userId,
    contentType: storableType(request.contentType),
    filename: storableName(filename),
    length: length === undefined ? undefined : Number(length),
    // Not destroyed when it is left early: the answer goes the same way.
    source: request.raw.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>,
  };
}

/** A refusal may leave before the body has arrived. What still comes is thrown away: who is cut off while writing does not read it. */
async function read<T>(request: FastifyRequest, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (request.raw.destroyed && !request.raw.complete) throw MatrixError.unknown(400, 'The upload was broken off');
    request.raw.resume();
    throw error;
  }
}
