import { Injectable } from '@nestjs/common';
import type { RoomResume } from '../../sync/sync-token.js';
import { divide, type GraphNode } from './unseen-events.js';
import { ResumeStore, type GraphRow, type RoomEnds } from './resume.store.js';

const FIRST_WINDOW = 64;
/** Timeline events that are looked at; who missed more gets the room anew, with its latest events. */
const MAX_WINDOW = 5_000;
/** Events from before this server's timeline that are looked at. */
const MAX_PAST = 1_000;
/** Rounds of looking up events that are not in the timeline. */
const MAX_DETOURS = 50;

/** Finds where a room's timeline goes on for a client that has seen all that its frontier leads to. */
@Injectable()
export class RoomResumes {
  constructor(private readonly store: ResumeStore) {}

  /**
   * @param frontier event ids, the known and the unknown ones
   * @param to all positions up to it are committed
   * @returns undefined when the client has missed too much, or nothing that it has seen is known here
   */
  async find(room: RoomEnds, frontier: readonly string[], to: number): Promise<RoomResume | undefined> {
    const exclude = new Set(frontier);
    if (room.ends.length > 0 && room.ends.every((id) => exclude.has(id))) return { fromPos: to, exclude };
    // With what the frontier itself builds on: that can have arrived after it.
    const nodes = new Map((await this.store.byIds(room.roomNid, frontier)).map((row) => [row.eventId, row]));
    if (nodes.size === 0) return undefined;
    let below = to + 1;
    let isBottom = false;
    for (let size = FIRST_WINDOW; ; size *= 4) {
      const rows = await this.store.newest(room.roomNid, below, size);
      for (const row of rows) nodes.set(row.eventId, row);
      isBottom = rows.length < size;
      below = rows.at(-1)?.pos ?? below;
      const unseen = await this.#unseen(room, nodes, frontier, { below, to });
      if (unseen === 'history') return undefined;
      if (unseen !== 'below') return this.#resume(room, nodes, unseen, exclude, to);
      if (isBottom || nodes.size >= MAX_WINDOW) return undefined;
    }
  }

  /** The unseen events, unless some may lie `below` the window, or in `history` that this server fetched and did not see happen. */
  async #unseen(
    room: RoomEnds, nodes: Map<string, GraphRow>, frontier: readonly string[], { below, to }: { below: number; to: number },
  ): Promise<ReadonlySet<string> | 'below' | 'history'> {
    const asked = new Set<string>();
    let pastFrom = 0;
    for (let round = 0; round < MAX_DETOURS; round++) {
      const { unseen, openEdge } = divide(nodes as ReadonlyMap<string, GraphNode>, room.ends, frontier);
      // Soft-failed events and what is known from afar is in the graph and not in the timeline: the way leads through it.
      const detours = [...new Set([...openEdge, ...this.#edgeOfSeen(nodes, frontier)])].filter((id) => !asked.has(id));
      const rows = await this.store.byIds(room.roomNid, detours);
      for (const id of detours) asked.add(id);
      let isWider = false;
      for (const row of rows) {
        // The ends are read after the position: what was committed in between is passed through as well.
        if (row.pos !== null && row.pos <= to) continue;
        nodes.set(row.eventId, row);
        isWider = true;
      }
      if (isWider) continue;
      // What nobody here has shows as a gap in the timeline.
      const positions = (await this.store.byIds(room.roomNid, openEdge)).map((row) => row.pos ?? 0);
      // An event may name what is long before: the client has seen that if what it has seen leads there, too.
      const lowest = Math.min(0, ...positions);
      if (lowest < pastFrom) {
        const past = await this.store.past(room.roomNid, (pastFrom = lowest), MAX_PAST);
        for (const row of past) nodes.set(row.eventId, row);
        if (past.length < MAX_PAST) continue;
      }
      const isOld = (id: string) => (nodes.get(id)?.pos ?? 0) < 0;
      if (positions.some((pos) => pos < 0) || [...unseen].some(isOld)) return 'history';
      return positions.some((pos) => pos > 0 && pos < below) ? 'below' : unseen;
    }
    return 'below';
  }

  /** Ids at which the ways down from the frontier leave the part that was read. */
  #edgeOfSeen(nodes: ReadonlyMap<string, GraphRow>, frontier: readonly string[]): string[] {
    return divide(nodes, frontier, []).openEdge.slice(0, 1_000);
  }

  async #resume(
    room: RoomEnds, nodes: ReadonlyMap<string, GraphRow>, unseen: ReadonlySet<string>, exclude: Set<string>, to: number,
  ): Promise<RoomResume> {
    const positions = [...unseen].map((id) => nodes.get(id)?.pos ?? null).filter((pos) => pos !== null && pos > 0) as number[];
    const fromPos = positions.length === 0 ? to : Math.min(...positions) - 1;
    for (const { eventId, pos } of nodes.values()) if (pos !== null && pos > fromPos && !unseen.has(eventId)) exclude.add(eventId);
    return { fromPos, exclude };
  }
}
