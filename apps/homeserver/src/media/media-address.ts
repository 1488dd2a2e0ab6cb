import { isServerName } from '#federation';
import { MatrixError } from '../errors/matrix-error.js';

/** What `mxc://serverName/mediaId` names. */
export interface MediaAddress {
  readonly serverName: string;
  readonly mediaId: string;
}

/** Client-server API, §Matrix Content (mxc://) URIs: anything else could lead out of a folder somewhere. */
const MEDIA_ID = /^[A-Za-z0-9_-]{1,255}$/;

export function mxcUri({ serverName, mediaId }: MediaAddress): string {
  return `mxc://${serverName}/${mediaId}`;
}

/** @throws MatrixError 400 M_INVALID_PARAM */
export function mediaAddress(serverName: string, mediaId: string): MediaAddress {
  if (!isServerName(serverName)) throw MatrixError.invalidParam('That is no server name');
  if (!MEDIA_ID.test(mediaId)) throw MatrixError.invalidParam('That is no media id');
  return { serverName, mediaId };
}

/** What a URI names; undefined for what is none. */
export function addressOf(uri: string): MediaAddress | undefined {
  const [, serverName, mediaId] = /^mxc:\/\/([^/]+)\/([^/]+)$/.exec(uri) ?? [];
  return serverName !== undefined && isServerName(serverName) && MEDIA_ID.test(mediaId!) ? { serverName, mediaId: mediaId! } : undefined;
}

export function isMediaId(text: string): boolean {
  return MEDIA_ID.test(text);
}
