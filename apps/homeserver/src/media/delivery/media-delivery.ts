import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import fresh from 'fresh';
import { MatrixError } from '../../errors/matrix-error.js';
import { ByteBudget } from '../../http/byte-budget.js';
import { addressKey } from '../../http/rate-limits.js';
import type { Thumbnail } from '../thumbnails/thumbnails.js';
import type { MediaContent } from '../media-content.js';
import { MediaFiles } from '../media-files.js';
import { multipartBody } from '../remote/multipart-body.js';
import { Random } from '../../observability/random.js';
import type { StoredFile } from '../storage/media-storage.js';
import { byteRange } from './byte-range.js';
import { describingHeaders, guardingHeaders, thumbnailHeaders } from './media-headers.js';

/** Files that are on their way: in all, and to one party; each takes up to a megabyte of memory. */
const MAX_STREAMS = 500;
const MAX_STREAMS_PER_PARTY = 50;
/** As with other answers (http/answer-delivery.ts): who reads more slowly than 16 KiB a second is taken for gone. */
const GRACE_MS = 30_000;
const BYTES_PER_MS = 16;
/** What an address names never changes. */
const LIFETIME = 'max-age=31536000, immutable';

/** Sends files to clients and servers, as they are read from the storage. */
@Injectable()
export class MediaDelivery {
  readonly #streams = new ByteBudget(MAX_STREAMS, MAX_STREAMS_PER_PARTY);

  constructor(
    private readonly files: MediaFiles,
    private readonly random: Random,
  ) {}

  /** To a client: whole, a part of it, or word that the client has it already. */
  async toClient(request: FastifyRequest, reply: FastifyReply, content: MediaContent): Promise<void> {
    const etag = `"${content.sha256}"`;
    reply.headers({
      ...guardingHeaders,
      etag,
      'cache-control': `${request.requester === null ? 'public' : 'private'}, ${LIFETIME}`,
      'accept-ranges': 'bytes',
    });
    if (fresh({ 'if-none-match': request.headers['if-none-match'] }, { etag })) {
      reply.code(304).send();
      return;
    }
    const { bytes } = content;
    const ifRange = request.headers['if-range'];
    const range = ifRange === undefined || ifRange === etag ? byteRange(request.headers.range, bytes) : undefined;
    if (range === 'none') {
      reply.header('content-range', `bytes */${bytes}`);
      throw new MatrixError(416, 'M_INVALID_PARAM', 'The file is shorter');
    }
    const file = await this.files.open(content.sha256, range);
    if (!file) throw gone();
    reply.headers(describingHeaders(content));
    if (range) reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${bytes}`);
    this.send(request, reply, { stream: file.stream, bytes: range ? range.end - range.start + 1 : bytes });
  }

  thumbnailToClient(request: FastifyRequest, reply: FastifyReply, { tag, type, file }: Thumbnail): void {
    const etag = `"${tag}"`;
    reply.headers({ ...guardingHeaders, etag, 'cache-control': `${request.requester === null ? 'public' : 'private'}, ${LIFETIME}` });
    if (fresh({ 'if-none-match': request.headers['if-none-match'] }, { etag })) {
      file.stream.destroy();
      reply.code(304).send();
      return;
    }
    reply.headers(thumbnailHeaders(type));
    this.send(request, reply, file);
  }

  thumbnailToServer(request: FastifyRequest, reply: FastifyReply, { type, file }: Thumbnail): void {
    this.inParts(request, reply, file, thumbnailHeaders(type));
  }

  /** To a server: in two parts (server-server API, `GET /media/download`). */
  async toServer(request: FastifyRequest, reply: FastifyReply, content: MediaContent): Promise<void> {
    const file = await this.files.open(content.sha256);
    if (!file) throw gone();
    this.inParts(request, reply, file, describingHeaders(content));
  }

  inParts(request: FastifyRequest, reply: FastifyReply, file: StoredFile, headers: Readonly<Record<string, string>>): void {
    const boundary = this.random.token(24);
    const body = multipartBody(file, headers, boundary);
    reply.raw.once('close', () => file.stream.destroy());
    reply.headers({ ...guardingHeaders, 'content-type': `multipart/mixed; boundary=${boundary}` });
    this.send(request, reply, body);
  }

  /** @throws MatrixError 429 M_LIMIT_EXCEEDED when too much is on its way already; the stream is ended then */
  send(request: FastifyRequest, reply: FastifyReply, { stream, bytes }: { readonly stream: Readable; readonly bytes: number }): void {
    const party = request.requester?.userId ?? request.originServer ?? addressKey(request.ip);
    if (reply.raw.destroyed || !this.#streams.take(party, 1)) {
      stream.destroy();
      throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too much is on its way to you already', { retry_after_ms: 1_000 });
    }
    const drop = setTimeout(() => reply.raw.destroy(), GRACE_MS + bytes / BYTES_PER_MS);
    reply.raw.once('close', () => {
      clearTimeout(drop);
      this.#streams.give(party, 1);
      stream.destroy();
    });
    reply.header('content-length', bytes).send(stream);
  }
}

/** The database knows of it, and the storage has it not. */
function gone(): MatrixError {
  return MatrixError.notFound('The file is not here any more');
}
