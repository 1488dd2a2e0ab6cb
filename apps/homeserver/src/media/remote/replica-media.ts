import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { homeOfLog, isOperationSignedBy, readOperation } from '#federation';
import { parseStoredJson } from '#json';
import { AccountServers } from '../../accounts/account-servers.js';
import { Config } from '../../config/config.js';
import { FederationClient } from '../../federation/federation-client.js';
import { RemoteError } from '../../federation/outgoing/remote-error.js';
import { RateLimits } from '../../http/rate-limits.js';
import { Clock } from '../../observability/clock.js';
import { Memberships } from '../../rooms/membership/memberships.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { addressPath, hashPath } from '../copies/media-paths.js';
import { type MediaAddress, mxcUri } from '../media-address.js';
import type { MediaLabels, MediaQuery } from '../media-content.js';
import { mediaOpKey, readMediaOp } from '../media-op.js';
import { UNKNOWN_TYPE } from '../served-type.js';
import { OriginMedia } from './origin-media.js';
import type { ReceivedFile } from './received-file.js';

/** Servers that are asked, and rooms that are looked at for them. */
const MAX_SERVERS = 20;
const MAX_ROOMS = 200;
const ASK_MS = 10_000;
/** What nobody has, as all have said, is not asked after again so soon. */
const NOWHERE_MS = 60_000;
const MAX_NOWHERE = 10_000;

const answerSchema = z.object({
  sha256: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  user_id: z.string().max(255).optional(),
  operation: z.unknown().optional(),
});

/** A hash that is known to be that of an address, and by what. */
export interface KnownHash {
  readonly sha256: string;
  readonly labels: MediaLabels;
  /** Nobody but whoever asks says so: others must not be shown it under the address. */
  readonly isClaimed: boolean;
}

type Found = ReceivedFile & { readonly isClaimed: boolean };

interface Holder {
  readonly server: string;
  readonly roomId: string | undefined;
  readonly sha256: string;
  readonly proven: KnownHash | undefined;
}

/**
 * Media whose own server is silent, from other servers that may have them: the other homes of whoever uploaded them, and the replicas of
 * the rooms that the reader is in (docs/protocol.md, "Media"). What they give is believed by its hash alone.
 */
@Injectable()
export class ReplicaMedia {
  readonly #nowhere = boundedCache<string, number>(MAX_NOWHERE);

  constructor(
    private readonly config: Config,
    private readonly accounts: AccountServers,
    private readonly memberships: Memberships,
    private readonly client: FederationClient,
    private readonly origin: OriginMedia,
    private readonly limits: RateLimits,
    private readonly clock: Clock,
  ) {}

  /**
   * @param uploaderId who uploaded it, where that is known
   * @returns undefined where nobody has it, or nobody can say what its hash is; that is remembered for a while
   * @throws MatrixError 429 M_LIMIT_EXCEEDED for who has many servers asked
   */
  async find({ address, readerId, party }: MediaQuery, known: KnownHash | undefined, uploaderId: string | null): Promise<Found | undefined> {
    const key = `${mxcUri(address)} ${readerId ?? ''} ${known?.sha256 ?? ''}`;
    if ((this.#nowhere.get(key) ?? 0) > this.clock.steady()) return undefined;
    this.limits.take('lookup', `media ${party}`);
    const servers = await this.#servers(address, readerId, uploaderId);
    const answers = await Promise.all([...servers].map(([server, roomId]) => this.#ask(address, server, roomId)));
    const found = await this.#fetch(answers.filter((one) => typeof one === 'object'), known);
    if (!found && !answers.includes('silent')) this.#nowhere.set(key, this.clock.steady() + NOWHERE_MS);
    return found;
  }

  async #fetch(holders: readonly Holder[], known: KnownHash | undefined): Promise<Found | undefined> {
    const hash = known ?? holders.find(({ proven }) => proven)?.proven;
    if (!hash) return undefined;
    for (const { server, roomId, sha256 } of holders) {
      if (sha256 !== hash.sha256) continue;
      const received = await this.origin.signed(server, hashPath(sha256), roomId === undefined ? {} : { room_id: roomId }, sha256).catch(() => undefined);
      if (received) return { file: received.file, ...hash.labels, isClaimed: hash.isClaimed };
    }
    return undefined;
  }

  /** By server a room that it shares with the reader; homes of the uploader need none. */
  async #servers({ serverName }: MediaAddress, readerId: string | undefined, uploaderId: string | null): Promise<Map<string, string | undefined>> {
    const servers = new Map<string, string | undefined>();
    if (uploaderId !== null) for (const server of await this.accounts.of(uploaderId)) servers.set(server, undefined);
    const rooms = readerId === undefined ? [] : (await this.memberships.joinedRooms(readerId)).slice(0, MAX_ROOMS);
    for (const roomId of rooms) {
      for (const server of await this.memberships.otherServers(roomId)) if (!servers.get(server)) servers.set(server, roomId);
      if (servers.size > MAX_SERVERS) break;
    }
    servers.delete(serverName);
    servers.delete(this.config.serverName);
    return new Map([...servers].slice(0, MAX_SERVERS));
  }

  async #ask(address: MediaAddress, server: string, roomId: string | undefined): Promise<Holder | 'silent' | undefined> {
    const query = roomId === undefined ? {} : { room_id: roomId };
    const given = await this.client.request({ destination: server, method: 'GET', path: addressPath(address), query, timeoutMs: ASK_MS, maxBytes: 256 * 1024 })
      .catch((error: unknown) => (error instanceof RemoteError && error.remoteStatus < 500 ? undefined : 'silent'));
    if (given === 'silent') return given;
    const { data } = answerSchema.safeParse(given);
    if (!data) return undefined;
    const proven = data.user_id === undefined ? undefined : await this.#proven(address, data.user_id, data.operation);
    return { server, roomId, sha256: data.sha256, proven };
  }

  /** What the server that the address names has written into the account's log, when it was the account's home: signed with that home's key. */
  async #proven(address: MediaAddress, userId: string, given: unknown): Promise<KnownHash | undefined> {
    const op = readOperation(userId, given);
    if (op?.kind !== 'media' || op.key !== mediaOpKey(address)) return undefined;
    await this.accounts.check([userId]);
    const record = await this.accounts.knownRecord(userId);
    const home = record && homeOfLog(record, op.log);
    if (home?.server_name !== address.serverName || !isOperationSignedBy(op, home.key)) return undefined;
    const told = readMediaOp(op.key, parseStoredJson(op.value));
    return told && { sha256: told.sha256, labels: { contentType: told.content_type, filename: told.filename }, isClaimed: false };
  }
}

/** A hash that the client of the reader has found beside the address. */
export function claimedHash(sha256: string): KnownHash {
  return { sha256, labels: { contentType: UNKNOWN_TYPE, filename: null }, isClaimed: true };
}
