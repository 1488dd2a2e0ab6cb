import { Injectable } from '@nestjs/common';
import { isRoomId, isServerName, readHead, readOperation, type HomeRecord, type LogPlace } from '#federation';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { FederationClient } from '../../federation/federation-client.js';
import { Clock } from '../../observability/clock.js';
import { Memberships } from '../../rooms/membership/memberships.js';
import { RoomRegistry } from '../../rooms/room-registry.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { HomeRecords } from '../records/home-records.js';
import { versionOf } from '../records/record-version.js';
import { snapshotPath } from './account-paths.js';
import { HomeRequests } from './home-requests.js';
import { FormerRecords } from './former-records.js';
import { LogBackfill } from './log-backfill.js';
import { OperationMerge } from './operation-merge.js';
import { OperationPages, wireHeads, wireOperation } from './operation-pages.js';
import { OperationsStore } from './operations.store.js';

const MAX_BYTES = 32 * 1024 * 1024;
const TIMEOUT_MS = 60_000;
/** Of what items keep; the rest is brought over by comparing. */
const MAX_GIVEN_BYTES = 8 * 1024 * 1024;
const MAX_ITEMS = 100_000;
/** Of the limit of operations between homes. */
const COPY_COST = 1_000;
const MAX_ROOMS = 10_000;
const MAX_HEADS = 500;
/** Replicas that are named per room. */
const MAX_SERVERS = 10;
/** A retired home is asked only when the homes in force could not be had for so long. */
const RETIRED_AFTER_MS = 10 * 60_000;

/** An account as a whole, for a home that knows nothing or too little of it. */
export interface AccountCopy {
  readonly record: object;
  /** Signed ends of the logs, up to which nothing else has to be asked for. */
  readonly heads: readonly object[];
  /** Portable rooms in which the account is joined → servers that hold them. */
  readonly rooms: Readonly<Record<string, readonly string[]>>;
  /** Per item the operations that set it; they prove themselves. */
  readonly ops: readonly object[];
  /** Earlier records that name keys which are revoked now. */
  readonly former: readonly object[];
}

/** Gives and takes copies of accounts between their homes (protocol §4). */
@Injectable()
export class AccountCopies {
  readonly #listeners = new Set<(userId: string) => void>();
  /** When a retired home was first thought of. */
  readonly #waiting = boundedCache<string, number>(10_000);

  constructor(
    private readonly config: Config,
    private readonly records: HomeRecords,
    private readonly pages: OperationPages,
    private readonly store: OperationsStore,
    private readonly merge: OperationMerge,
    private readonly backfill: LogBackfill,
    private readonly former: FormerRecords,
    private readonly requests: HomeRequests,
    private readonly memberships: Memberships,
    private readonly registry: RoomRegistry,
    private readonly federation: FederationClient,
    private readonly clock: Clock,
  ) {}

  /** Called when a copy was taken. */
  onTaken(listener: (userId: string) => void): void {
    this.#listeners.add(listener);
  }

  /** @throws as `HomeRequests.authorise` */
  async give(origin: string, userId: string, claimed: unknown): Promise<AccountCopy> {
    const record = await this.requests.authorise(origin, userId, COPY_COST, claimed);
    // The heads first: what happens meanwhile comes again as operations, and not at all only the other way round.
    const heads = wireHeads(await this.pages.heads(record));
    const kept = await this.store.keptOf(userId, MAX_GIVEN_BYTES);
    // The last operation of a log shows how far it goes where no head of it is here.
    const last = await this.pages.last(record);
    const ops = [...kept, ...last].map(wireOperation);
    return { record, heads, rooms: await this.#rooms(userId), ops, former: await this.former.of(userId) };
  }

  /**
   * Fetches the account from another home and merges it here.
   *
   * @returns its rooms
   * @throws MatrixError when the home does not hand it over, or is one that is not to be asked
   */
  async take(userId: string, from: string): Promise<Map<string, string[]>> {
    const record = await this.records.get(userId);
    if (!record || !(await this.#mayAsk(record, from))) throw MatrixError.forbidden(`${from} is no home of the account`);
    // It may not have heard yet that this server is a home.
    const query = { version: JSON.stringify(versionOf(record)) };
    const answer = await this.federation.request({ destination: from, method: 'GET', path: snapshotPath(userId), query, timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES });
    if (!Array.isArray(answer['ops']) || !Array.isArray(answer['heads'])) throw MatrixError.unknown(502, `${from} gave no copy of the account`);
    const heads = (answer['heads'] as unknown[]).slice(0, MAX_HEADS).flatMap((value) => readHead(userId, value) ?? []);
    const ops = (answer['ops'] as unknown[]).slice(0, MAX_ITEMS).flatMap((value) => readOperation(userId, value) ?? []);
    const ends = new Map(heads.map((head) => [head.log, heads.filter(({ log }) => log === head.log)] as const)
      .flatMap(([log, list]) => (list.length === 1 ? [[log, [list[0]!.n, list[0]!.hash] as LogPlace] as const] : [])));
    await this.former.learn(record, answer['former']);
    await this.merge.takeCopy(userId, ops, ends, new Map(heads.map((head) => [head.log, head.key])));
    await this.backfill.isDone(userId);
    for (const listener of this.#listeners) listener(userId);
    return readRooms(answer['rooms'], from);
  }

  /** Homes in force; retired ones when those cannot be had for long; revoked ones never. */
  async #mayAsk(record: HomeRecord, from: string): Promise<boolean> {
    const homes = await this.records.homesOf(record.user_id);
    if (homes.some((home) => home.server_name === from)) return true;
    if (!(record.retired ?? []).some((home) => home.server_name === from)) return false;
    if (homes.every((home) => home.server_name === this.config.serverName)) return true;
    const since = this.#waiting.get(record.user_id) ?? this.clock.steady();
    this.#waiting.set(record.user_id, since);
    return this.clock.steady() - since >= RETIRED_AFTER_MS;
  }

  async #rooms(userId: string): Promise<Record<string, string[]>> {
    const rooms: Record<string, string[]> = {};
    for (const [roomId, { membership }] of await this.memberships.roomsOf(userId)) {
      if (membership !== 'join') continue;
      const room = await this.registry.find(roomId);
      if (!room?.rules.portable || !room.state.isResident) continue;
      rooms[roomId] = [this.config.serverName, ...room.state.otherServers.slice(0, MAX_SERVERS - 1)];
    }
    return rooms;
  }
}

function readRooms(value: unknown, from: string): Map<string, string[]> {
  if (typeof value !== 'object' || value === null) return new Map();
  return new Map(Object.entries(value).slice(0, MAX_ROOMS).filter(([roomId]) => isRoomId(roomId)).map(([roomId, servers]) => {
    const names = Array.isArray(servers) ? servers.filter((name): name is string => typeof name === 'string' && isServerName(name)) : [];
    return [roomId, [from, ...names.filter((name) => name !== from)].slice(0, MAX_SERVERS)];
  }));
}
