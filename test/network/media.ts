import { createHash } from 'node:crypto';
import type { Json, RawResponse, RequestOptions, TestClient } from './test-client.js';

/** A picture of one black pixel. */
export const pixel = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==', 'base64');

export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('base64url');

export interface Uploaded {
  readonly uri: string;
  /** `serverName/mediaId`, for paths. */
  readonly path: string;
}

export async function upload(client: TestClient, bytes: Buffer, type = 'image/png', query: RequestOptions['query'] = {}): Promise<Uploaded> {
  const { content_uri: uri } = await client.request('POST', '/_matrix/media/v3/upload', bytes, { headers: { 'content-type': type }, query });
  return { uri, path: uri.slice('mxc://'.length) };
}

/** With a token. */
export function download(client: TestClient, { path }: Pick<Uploaded, 'path'>, options?: RequestOptions): Promise<RawResponse> {
  return client.raw('GET', `/v1/media/download/${path}`, undefined, options);
}

/** Without a token. */
export function openDownload(client: TestClient, { path }: Pick<Uploaded, 'path'>, options: RequestOptions = {}): Promise<RawResponse> {
  return client.raw('GET', `/_matrix/media/v3/download/${path}`, undefined, { ...options, anonymous: true });
}

export async function reserve(client: TestClient): Promise<Uploaded & { readonly answer: Json }> {
  const answer = await client.request('POST', '/_matrix/media/v1/create', {});
  return { uri: answer.content_uri, path: answer.content_uri.slice('mxc://'.length), answer };
}

export const fill = (client: TestClient, { path }: Pick<Uploaded, 'path'>, bytes: Buffer, options: RequestOptions = {}): Promise<RawResponse> =>
  client.raw('PUT', `/_matrix/media/v3/upload/${path}`, bytes, { ...options, headers: { 'content-type': 'image/png', ...options.headers } });
