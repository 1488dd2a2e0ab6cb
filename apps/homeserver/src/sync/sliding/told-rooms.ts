import type { ConnectionState, RoomMoment, RoomTold } from './connection-state.js';
import { RequiredState } from './required-state.js';
import type { RoomConfig } from './sliding-request.js';

/** A room that an answer has looked at. */
export interface LookedAt {
  readonly config: RoomConfig;
  readonly isDirect: boolean;
  /** How many events its timeline may have held, where it is in the answer. */
  readonly shown?: { readonly limit: number; readonly isWhole: boolean } | undefined;
  /** Extensions that were on and that were not for it. */
  readonly missed: readonly ('account' | 'receipts' | 'typing')[];
}

/**
 * What a client has of its rooms when it has received an answer. The map of before is returned where nothing of it has changed.
 *
 * @param lookedAt by number of the room: what the answer is about; of all other rooms the client has what it had
 * @param moment up to where the answer tells everything
 */
export function nextRooms(
  before: Pick<ConnectionState, 'rooms' | 'moment'>, lookedAt: ReadonlyMap<number, LookedAt>, moment: RoomMoment,
): ReadonlyMap<number, RoomTold> {
  const changed = new Map<number, RoomTold>();
  const left = new Map<RoomTold, RoomTold>();
  for (const [nid, told] of before.rooms) {
    if (told.at !== null || lookedAt.has(nid)) continue;
    const kept = left.get(told) ?? { ...told, at: before.moment };
    left.set(told, kept);
    changed.set(nid, kept);
  }
  const same = new Map<string, RoomTold>();
  for (const [nid, room] of lookedAt) {
    const old = before.rooms.get(nid);
    const next = toldOf(old, room, before.moment, moment);
    if (old && isSame(old, next)) continue;
    if (next.at !== null) {
      changed.set(nid, next);
      continue;
    }
    const key = `${next.limit} ${next.isDirect} ${next.state?.text}`;
    const shared = same.get(key) ?? next;
    same.set(key, shared);
    changed.set(nid, shared);
  }
  return changed.size === 0 ? before.rooms : remembered(changed, before.rooms);
}

/** Characters of rules of state that are remembered of a connection. What rooms were told beyond is told again when it is asked for. */
export const MAX_REMEMBERED = 256 * 1024;
const NOTHING = new RequiredState([]);

/** What is remembered when rooms have changed, of which the others give way. */
function remembered(changed: ReadonlyMap<number, RoomTold>, before: ReadonlyMap<number, RoomTold>): Map<number, RoomTold> {
  const states = new Set<RequiredState>();
  const forgotten = new Map<RoomTold, RoomTold>();
  let chars = 0;
  const kept = (told: RoomTold): RoomTold => {
    const { state } = told;
    if (state === null || states.has(state)) return told;
    if (chars + state.text.length <= MAX_REMEMBERED) {
      chars += state.text.length;
      states.add(state);
      return told;
    }
    const less = forgotten.get(told) ?? { ...told, state: NOTHING };
    forgotten.set(told, less);
    return less;
  };
  const news = [...changed].map(([nid, told]) => [nid, kept(told)] as const);
  return new Map([...[...before].map(([nid, told]) => [nid, changed.has(nid) ? told : kept(told)] as const), ...news]);
}

/** Characters of rules of state that are remembered of rooms. */
export function rememberedChars(rooms: ReadonlyMap<number, RoomTold>): number {
  let chars = 0;
  for (const state of new Set([...rooms.values()].map((told) => told.state))) chars += state?.text.length ?? 0;
  return chars;
}

function toldOf(old: RoomTold | undefined, { config, isDirect, shown, missed }: LookedAt, oldMoment: RoomMoment, moment: RoomMoment): RoomTold {
  const before = old?.at ?? (old ? oldMoment : null);
  const at = missed.length === 0 ? null : { ...moment, ...Object.fromEntries(missed.map((kind) => [kind, before?.[kind] ?? null])) };
  return { at, limit: limitOf(old, shown), state: old?.state?.text === config.state.text ? old.state : config.state, isDirect };
}

/** How many of the newest events the client has. */
function limitOf(old: RoomTold | undefined, shown: LookedAt['shown']): number {
  if (!shown) return old?.limit ?? 0;
  return shown.isWhole ? shown.limit : (old?.limit ?? 0);
}

function isSame(old: RoomTold, next: RoomTold): boolean {
  return old.at === null && next.at === null && old.limit === next.limit && old.isDirect === next.isDirect && old.state === next.state && old.exclude === undefined;
}
