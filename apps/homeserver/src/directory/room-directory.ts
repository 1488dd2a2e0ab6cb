import { Injectable } from '@nestjs/common';
import { powerLevelsOf } from '#federation';
import { parseStoredJson } from '#json';
import { type FindOptionsWhere, In, IsNull, LessThan, MoreThan, Raw } from 'typeorm';
import type { Requester } from '../accounts/requester.js';
import { MatrixError } from '../errors/matrix-error.js';
import { RoomRegistry } from '../rooms/room-registry.js';
import { Database, type Reads } from '../storage/database.js';
import { type DirectoryPage, type DirectoryPlace, type DirectoryWish, placeText, readPlace } from './directory-page.js';
import { ListedRoom } from './listed-room.entity.js';
import { Listings } from './listings.js';

/** The rooms that this server lists for everybody (client-server API, §Published Room Directory), the largest first. */
@Injectable()
export class RoomDirectory {
  readonly #listed: Reads<ListedRoom>;

  constructor(
    db: Database,
    private readonly registry: RoomRegistry,
    private readonly listings: Listings,
  ) {
    this.#listed = db.repository(ListedRoom);
  }

  /** @throws MatrixError 404 M_NOT_FOUND */
  async isListed(roomId: string): Promise<boolean> {
    const room = await this.registry.get(roomId);
    return this.#listed.existsBy({ roomNid: room.nid });
  }

  /** Those of the rooms that are listed. */
  async listed(roomIds: readonly string[]): Promise<ReadonlySet<string>> {
    if (roomIds.length === 0) return new Set();
    const rows = await this.#listed.find({ select: { roomId: true }, where: { roomId: In([...roomIds]) } });
    return new Set(rows.map(({ roomId }) => roomId));
  }

  /** Lists a room that its creator wants to be public. */
  async list(roomId: string): Promise<void> {
    await this.listings.add(await this.registry.get(roomId));
  }

  /**
   * Lists a room or takes it off the list.
   *
   * @throws MatrixError 404 M_NOT_FOUND; 403 M_FORBIDDEN for those who may not give the room its address either
   */
  async set(requester: Requester, roomId: string, isListed: boolean): Promise<void> {
    const room = await this.registry.get(roomId);
    if (!requester.isAdmin) {
      const levels = powerLevelsOf(room.state, room.rules);
      const may = room.state.joined.has(requester.userId) && levels.user(requester.userId) >= levels.event('m.room.canonical_alias', true);
      if (!may) throw MatrixError.forbidden('Only those who may change the address of the room may list it');
    }
    await (isListed ? this.listings.add(room) : this.listings.remove(room));
  }

  /** @throws MatrixError 400 M_INVALID_PARAM */
  async page({ limit, since, term, types }: DirectoryWish): Promise<DirectoryPage> {
    const place = since === undefined || since === '' ? undefined : readPlace(since);
    const filter: FindOptionsWhere<ListedRoom> = term ? { search: Raw((column) => `strpos(${column}, :term) > 0`, { term: term.toLowerCase() }) } : {};
    const matching = ofTypes(types).map((one) => ({ ...filter, ...one }));
    const order = place?.isBackwards ? 'ASC' : 'DESC';
    const [found, total] = await Promise.all([
      this.#listed.find({ where: matching.flatMap((one) => beyond(place).map((range) => ({ ...one, ...range }))), order: { members: order, roomNid: order }, take: limit + 1 }),
      this.#listed.countBy(matching),
    ]);
    const hasMore = found.length > limit;
    const rows = found.slice(0, limit);
    if (place?.isBackwards) rows.reverse();
    const [first, last] = [rows[0], rows.at(-1)];
    const [isBefore, isAfter] = place?.isBackwards ? [hasMore, true] : [place !== undefined, hasMore];
    return {
      chunk: rows.map((row) => parseStoredJson(row.shown) as object),
      total_room_count_estimate: total,
      ...(isAfter && last ? { next_batch: placeText({ isBackwards: false, ...last }) } : {}),
      ...(isBefore && first ? { prev_batch: placeText({ isBackwards: true, ...first }) } : {}),
    };
  }
}

function ofTypes(types: readonly (string | null)[] | undefined): FindOptionsWhere<ListedRoom>[] {
  if (types === undefined) return [{}];
  const named = types.filter((type) => type !== null);
  return [...(types.includes(null) ? [{ roomType: IsNull() }] : []), { roomType: In(named) }];
}

function beyond(place: DirectoryPlace | undefined): FindOptionsWhere<ListedRoom>[] {
  if (!place) return [{}];
  const { members, roomNid } = place;
  const past = place.isBackwards ? MoreThan : LessThan;
  return [{ members: past(members) }, { members, roomNid: past(roomNid) }];
}
