import { Injectable } from '@nestjs/common';
import { isRoomId, isServerName } from '#federation';
import { AccountOps } from '../../accounts/account-ops.js';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { FederationClient } from '../../federation/federation-client.js';
import { Memberships } from '../../rooms/membership/memberships.js';
import { RoomRegistry } from '../../rooms/room-registry.js';
import { snapshotPath } from './account-paths.js';
import { HomeRequests } from './home-requests.js';
import { isReading } from './hybrid-clock.js';
import { readVector } from './operation.js';
import { OperationMerge, type CopiedItem } from './operation-merge.js';
import { OperationsStore } from './operations.store.js';

const MAX_BYTES = 128 * 1024 * 1024;
const TIMEOUT_MS = 60_000;
const MAX_ITEMS = 500_000;
const MAX_ROOMS = 10_000;
/** Replicas that are named per room. */
const MAX_SERVERS = 10;

/** An account as a whole, for a home that knows nothing or too little of it. */
export interface AccountCopy {
  readonly record: object;
  /** What the items cover. */
  readonly vector: Readonly<Record<string, number>>;
  /** Portable rooms in which the account is joined → servers that hold them. */
  readonly rooms: Readonly<Record<string, readonly string[]>>;
  readonly items: readonly CopiedItem[];
}

/** Gives and takes copies of accounts between their homes (protocol §4: "snapshot for a new home"). */
@Injectable()
export class AccountCopies {
  constructor(
    private readonly config: Config,
    private readonly ops: AccountOps,
    private readonly store: OperationsStore,
    private readonly merge: OperationMerge,
    private readonly requests: HomeRequests,
    private readonly memberships: Memberships,
    private readonly registry: RoomRegistry,
    private readonly federation: FederationClient,
  ) {}

  /** @throws as `HomeRequests.authorise` */
  async give(origin: string, userId: string): Promise<AccountCopy> {
    const record = await this.requests.authorise(origin, userId);
    // The vector first: what happens meanwhile comes again as operations, and not at all only the other way round.
    const vector = await this.store.vector(userId);
    const writers = new Map((await this.store.winnersOf(userId)).map((winner) => [`${winner.kind} ${winner.key}`, winner]));
    const items: CopiedItem[] = [];
    for (const [, applier] of this.ops.kinds()) {
      for (const { kind, key, value } of await applier.snapshot(userId)) {
        const writer = writers.get(`${kind} ${key}`);
        items.push({ kind, key, value, ...(writer && !writer.isRemoved && { hlc: writer.hlc, home: writer.home }) });
      }
    }
    for (const { kind, key, hlc, home, isRemoved } of writers.values()) if (isRemoved) items.push({ kind, key, value: null, hlc, home });
    return { record, vector, rooms: await this.#rooms(userId), items };
  }

  /**
   * Fetches the account from another home and merges it here.
   *
   * @returns its rooms
   * @throws MatrixError when the home does not hand it over
   */
  async take(userId: string, from: string): Promise<Map<string, string[]>> {
    const answer = await this.federation.request({ destination: from, method: 'GET', path: snapshotPath(userId), timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES });
    if (!Array.isArray(answer['items'])) throw MatrixError.unknown(502, `${from} gave no copy of the account`);
    const items = (answer['items'] as unknown[]).slice(0, MAX_ITEMS).filter(isItem);
    await this.merge.takeCopy(userId, items, readVector(answer['vector']));
    return readRooms(answer['rooms'], from);
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

function isItem(value: unknown): value is CopiedItem {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, key, hlc, home } = value as Record<string, unknown>;
  const hasWriter = hlc === undefined || (typeof hlc === 'string' && isReading(hlc) && typeof home === 'string');
  return typeof kind === 'string' && typeof key === 'string' && 'value' in value && hasWriter;
}

function readRooms(value: unknown, from: string): Map<string, string[]> {
  if (typeof value !== 'object' || value === null) return new Map();
  return new Map(Object.entries(value).slice(0, MAX_ROOMS).filter(([roomId]) => isRoomId(roomId)).map(([roomId, servers]) => {
    const names = Array.isArray(servers) ? servers.filter((name): name is string => typeof name === 'string' && isServerName(name)) : [];
    return [roomId, [from, ...names.filter((name) => name !== from)].slice(0, MAX_SERVERS)];
  }));
}
