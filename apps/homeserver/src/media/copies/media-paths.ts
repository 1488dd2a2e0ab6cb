import { federationPath } from '../../federation/federation-client.js';
import type { MediaAddress } from '../media-address.js';

const BASE = '/_matrix/federation/unstable/io.partyline';

/** A file by its hash (docs/protocol.md §8). */
export function hashPath(sha256: string): string {
  return BASE + federationPath`/media/sha256/${sha256}`;
}

/** What is known of an address. */
export function addressPath({ serverName, mediaId }: MediaAddress): string {
  return BASE + federationPath`/media/address/${serverName}/${mediaId}`;
}

/** How much of an account's media is there. */
export function countsPath(userId: string): string {
  return BASE + federationPath`/account/${userId}/media`;
}
