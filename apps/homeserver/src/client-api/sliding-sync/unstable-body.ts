import { z } from 'zod';
import { text } from '../../http/query-schemas.js';
import type { StateElement, StateRule } from '../../sync/sliding/required-state.js';
import { RequiredState } from '../../sync/sliding/required-state.js';
import type { ListFilters, RoomConfig, SlidingList } from '../../sync/sliding/sliding-request.js';
import { byList, byRoom, commonShape, filtersShape, range, stateElements, timelineLimit } from './sliding-sync.schema.js';

export const MAX_UNSTABLE_SUBSCRIPTIONS = 1_000;
const MAX_RANGES = 100;
const MEMBER = 'm.room.member';
const [ANY, LAZY, ME] = ['*', '$LAZY', '$ME'];

const configShape = {
  required_state: stateElements(z.tuple([text(255), text(255)])).nullish(),
  timeline_limit: timelineLimit.default(0),
};
const listSchema = z.object({
  ...configShape,
  ranges: z.array(range).max(MAX_RANGES).nullish(),
  slow_get_all_rooms: z.boolean().nullish(),
  filters: z.object({ ...filtersShape, is_invite: z.boolean().nullish(), room_name_like: text(255).nullish() }).nullish(),
});

/** The body as today's clients send it (`org.matrix.simplified_msc3575`). */
export const unstableBody = z.object({
  ...commonShape,
  lists: byList(listSchema),
  room_subscriptions: byRoom(z.object(configShape)),
});

type Config = z.output<z.ZodObject<typeof configShape>>;

/** @param limit the most events of a timeline */
export function unstableConfig({ required_state: state, timeline_limit: limit }: Config, userId: string, max: number): RoomConfig {
  return { limit: Math.min(limit, max), state: new RequiredState(rulesOf((state ?? []) as [string, string][], userId)) };
}

/** @returns the list without its configuration */
export function unstableList({ ranges, slow_get_all_rooms: isWhole, filters }: z.output<typeof listSchema>): Omit<SlidingList, 'config'> {
  const given: ListFilters = filters
    ? {
        isDirect: filters.is_dm, isEncrypted: filters.is_encrypted, isInvited: filters.is_invite ?? undefined, spaces: filters.spaces,
        types: filters.room_types && new Set(filters.room_types), notTypes: filters.not_room_types && new Set(filters.not_room_types),
        tags: filters.tags, notTags: filters.not_tags, nameLike: filters.room_name_like ?? undefined,
      }
    : {};
  return { ranges: isWhole || !ranges ? null : ranges, filters: given };
}

/** Pairs of type and state key. Beside `*, *` a pair leaves of its type only what it names; `$LAZY` of members brings those that events need. */
function rulesOf(pairs: readonly (readonly [string, string])[], userId: string): StateRule[] {
  const isLazy = pairs.some(([type, key]) => key === LAZY && (type === MEMBER || type === ANY));
  const named = pairs.filter(([type, key]) => key !== LAZY && !(type === ANY && key === ANY));
  const include: StateElement[] = named.map(([type, key]) => ({
    ...(type !== ANY && { type }), ...(key !== ANY && { stateKey: key === ME ? userId : key }),
  }));
  const rules: StateRule[] = [{ include, exclude: [], lazy: isLazy }];
  if (named.length + (isLazy ? 1 : 0) < pairs.length) {
    const types = new Set([...named.flatMap(([type]) => (type === ANY ? [] : [type])), ...(isLazy ? [MEMBER] : [])]);
    rules.push({ include: [{}], exclude: [...types].map((type) => ({ type })), lazy: isLazy });
  }
  return rules;
}
