import { Injectable } from '@nestjs/common';
import { AccountData } from '../../account-data/account-data.js';
import type { Requester } from '../../accounts/requester.js';
import { ChildrenStore, type ChildrenWish, RECURSION_DEPTH } from '../relations/children.store.js';
import { fittingCount } from '../rooms/byte-shares.js';
import { SyncTokens } from '../sync-tokens.js';
import { EventFinder } from './event-finder.js';
import { type EventView, EventViews } from './event-views.js';
import type { RoomReader } from './room-readers.js';
import { ViewTexts } from './view-texts.js';

const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 1_000;
/** Reads of an answer, where the reader may not see what is found. */
const MAX_PAGES = 25;
/** Bytes of the events of an answer. */
const MAX_BYTES = 4 * 1024 * 1024;

export interface RelationsQuery {
  readonly dir?: 'b' | 'f' | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly limit?: number | undefined;
  readonly recurse?: boolean | undefined;
}

/** The event that is related to, and how. */
export interface RelationsOf {
  readonly roomId: string;
  readonly eventId: string;
  readonly relType?: string;
  readonly type?: string;
}

/** Reads what relates to an event (Client-Server, "Event relationships"). */
@Injectable()
export class RoomRelations {
  constructor(
    private readonly finder: EventFinder,
    private readonly children: ChildrenStore,
    private readonly views: EventViews,
    private readonly texts: ViewTexts,
    private readonly accountData: AccountData,
    private readonly tokens: SyncTokens,
  ) {}

  /**
   * A page of the events that relate to one, as JSON text.
   *
   * @throws MatrixError 404 M_NOT_FOUND where the reader may not see the event that is related to; 400 M_INVALID_PARAM for tokens
   */
  async page(requester: Requester, { roomId, eventId, relType, type }: RelationsOf, query: RelationsQuery): Promise<string> {
    const dir = query.dir ?? 'b';
    const reader = await this.finder.reader(requester.userId, roomId);
    const parent = await this.finder.visible(reader, eventId);
    const [from, to] = await Promise.all([this.#place(query.from, dir), this.#place(query.to, dir === 'b' ? 'f' : 'b')]);
    const wish: ChildrenWish = {
      roomNid: reader.room.nid, parentId: eventId, relType, type, recurse: query.recurse ?? false, ignored: [...(await this.accountData.ignored(requester.userId))],
    };
    const limit = Math.max(1, Math.min(query.limit ?? DEFAULT_LIMIT, MAX_LIMIT));
    // What was redacted has no new text either.
    const isGone = parent.event.redactedBy !== null && relType === 'm.replace';
    const stretch = dir === 'b' ? { after: to ?? -Infinity, upTo: from ?? Infinity } : { after: from ?? -Infinity, upTo: to ?? Infinity };
    const { found, end } = isGone ? { found: [], end: null } : await this.#collect(reader, wish, dir, stretch, limit);
    const texts = await this.texts.for(requester, [{ reader, views: found }]);
    const parts = [`"chunk":[${found.map((view) => texts.view(view, roomId)).join(',')}]`];
    if (query.from) parts.push(`"prev_batch":${JSON.stringify(query.from)}`);
    if (end !== null) parts.push(`"next_batch":"${this.tokens.place(end)}"`);
    if (query.recurse !== undefined) parts.push(`"recursion_depth":${query.recurse ? RECURSION_DEPTH : 1}`);
    return `{${parts.join(',')}}`;
  }

  /** @returns `end` is the place to go on at; null where nothing follows */
  async #collect(
    reader: RoomReader, wish: ChildrenWish, dir: 'b' | 'f', stretch: { after: number; upTo: number }, limit: number,
  ): Promise<{ found: EventView[]; end: number | null }> {
    const found: EventView[] = [];
    let { after, upTo } = { after: stretch.after, upTo: Math.min(stretch.upTo, reader.upTo) };
    let bytes = 0;
    for (let page = 0; page < MAX_PAGES; page++) {
      const size = limit - found.length + 1;
      const rows = await this.children.page(wish, dir, after, upTo, size);
      const fitting = rows.slice(0, Math.max(found.length === 0 ? 1 : 0, fittingCount(rows.map((row) => row.bytes), MAX_BYTES - bytes)));
      for (const view of await this.views.of(reader, fitting)) {
        if (found.length === limit) return { found, end: endOf(found.at(-1)!.pos, dir) };
        if (view.isVisible) found.push(view);
      }
      bytes += fitting.reduce((sum, row) => sum + row.bytes, 0);
      const last = fitting.at(-1)?.pos;
      if (fitting.length < rows.length) return { found, end: endOf(last ?? found.at(-1)!.pos, dir) };
      if (rows.length < size) return { found, end: null };
      if (dir === 'b') upTo = last! - 1;
      else after = last!;
    }
    return { found, end: dir === 'b' ? upTo : after };
  }

  async #place(token: string | undefined, dir: 'b' | 'f'): Promise<number | undefined> {
    return token ? (await this.tokens.placeOf(token, dir)).pos : undefined;
  }
}

/** As the places of `/messages`: what is above them is newer. */
function endOf(pos: number, dir: 'b' | 'f'): number {
  return dir === 'b' ? pos - 1 : pos;
}
