import { Injectable } from '@nestjs/common';
import { MatrixError } from '../../errors/matrix-error.js';
import { Clock } from '../../observability/clock.js';
import { Random } from '../../observability/random.js';
import { RoomRegistry } from '../../rooms/room-registry.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { RoomPreviews } from '../room-previews.js';
import { type RoomSummary, summaryOf } from '../room-summary.js';
import { RemoteSpaces } from './remote-spaces.js';
import { childrenOf, type SpaceChild } from './space-children.js';
import { SpaceWalk, type Visit } from './space-walk.js';
import type { ToldSpace } from './told-space.js';

const MAX_WALKS = 100;
const WALK_MS = 30 * 60_000;
/** For a page with rooms of other servers; what was found until then is shown. */
const PAGE_MS = 10_000;
/** Rooms that are looked at for one page. */
const MAX_VISITS = 500;

export interface HierarchyWish {
  readonly suggestedOnly: boolean;
  readonly limit: number;
  readonly maxDepth: number;
  readonly from?: string | undefined;
}

export interface HierarchyPage {
  readonly rooms: readonly (RoomSummary & { readonly children_state: readonly SpaceChild[] })[];
  readonly next_batch?: string;
}

interface Found {
  readonly summary: RoomSummary;
  readonly children: readonly SpaceChild[];
}

/** The tree of a space for somebody (client-server API, `GET /rooms/{roomId}/hierarchy`). */
@Injectable()
export class SpaceHierarchies {
  readonly #walks = boundedCache<string, { readonly walk: SpaceWalk; readonly userId: string; readonly roomId: string; readonly until: number }>(MAX_WALKS);

  constructor(
    private readonly registry: RoomRegistry,
    private readonly previews: RoomPreviews,
    private readonly remote: RemoteSpaces,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /** @throws MatrixError 403 M_FORBIDDEN for a room that is not for the user; 400 M_INVALID_PARAM for a token that is none, or too old */
  async page(userId: string, roomId: string, wish: HierarchyWish): Promise<HierarchyPage> {
    const walk = wish.from === undefined ? SpaceWalk.from(roomId, wish) : this.#walk(userId, roomId, wish);
    const end = this.clock.steady() + PAGE_MS;
    const rooms: (RoomSummary & { children_state: readonly SpaceChild[] })[] = [];
    const told = new Map<string, ToldSpace>();
    for (let visits = 0; rooms.length < wish.limit && visits < MAX_VISITS && this.clock.steady() < end; visits++) {
      const visit = walk.next();
      if (!visit) break;
      const found = await this.#find(userId, visit, told);
      if (!found && visit.depth === 0) throw MatrixError.forbidden('This space is not known here, or not for you');
      if (found) rooms.push({ ...found.summary, children_state: walk.enter(visit, found.children) });
    }
    return { rooms, ...(walk.isDone ? {} : { next_batch: this.#keep(userId, roomId, walk) }) };
  }

  async #find(userId: string, visit: Visit, told: Map<string, ToldSpace>): Promise<Found | undefined> {
    const { roomId, parent } = visit;
    const room = await this.registry.find(roomId);
    if (room?.state.isResident) {
      const summary = summaryOf(room);
      return (await this.previews.mayUser(userId, room, summary)) ? { summary, children: childrenOf(room) } : undefined;
    }
    const ofParent = parent === null ? undefined : told.get(parent);
    if (ofParent?.inaccessible.has(roomId)) return undefined;
    const known = ofParent?.children.get(roomId);
    if (known && known.room_type !== 'm.space') return (await this.previews.mayUserByTale(userId, known)) ? { summary: known, children: [] } : undefined;
    const space = await this.remote.of(roomId, visit.via);
    if (!space || !(await this.previews.mayUserByTale(userId, space.room.summary))) return undefined;
    told.set(roomId, space);
    return space.room;
  }

  #walk(userId: string, roomId: string, wish: HierarchyWish): SpaceWalk {
    const held = this.#walks.get(wish.from!);
    if (!held || held.userId !== userId || held.roomId !== roomId || held.until < this.clock.steady()) {
      throw MatrixError.invalidParam('from is no token of this space, or too old: begin again');
    }
    if (held.walk.suggestedOnly !== wish.suggestedOnly || held.walk.maxDepth !== wish.maxDepth) {
      throw MatrixError.invalidParam('suggested_only and max_depth cannot be changed between pages');
    }
    return held.walk.copy();
  }

  #keep(userId: string, roomId: string, walk: SpaceWalk): string {
    const token = this.random.token(12);
    this.#walks.set(token, { walk, userId, roomId, until: this.clock.steady() + WALK_MS });
    return token;
  }
}
