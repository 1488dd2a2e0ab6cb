import { z } from 'zod';
import { text } from '../../http/query-schemas.js';
import { RequiredState, type StateElement } from '../../sync/sliding/required-state.js';
import type { RoomConfig, SlidingList } from '../../sync/sliding/sliding-request.js';
import { byList, byRoom, commonShape, filtersShape, range, stateElements, timelineLimit } from './sliding-sync.schema.js';

export const MAX_V4_SUBSCRIPTIONS = 100;

const elements = stateElements(z.object({ type: text(255).optional(), state_key: text(255).optional() })).optional();
const configShape = {
  required_state: z.object({ include: elements, exclude: elements, lazy_members: z.boolean().default(false) }),
  timeline_limit: timelineLimit,
};
const listSchema = z.object({
  ...configShape,
  range: range.optional(),
  filters: z.object({ ...filtersShape, is_invited: z.boolean().optional() }).optional(),
});

/** The body as MSC4186 has it. */
export const v4Body = z.object({
  ...commonShape,
  lists: byList(listSchema),
  room_subscriptions: byRoom(z.object(configShape)),
});

type Config = z.output<z.ZodObject<typeof configShape>>;
type Elements = readonly { type?: string; state_key?: string }[];

/** @param max the most events of a timeline */
export function v4Config({ required_state: { include, exclude, lazy_members: lazy }, timeline_limit: limit }: Config, max: number): RoomConfig {
  const elementsOf = (list: unknown): StateElement[] =>
    ((list ?? []) as Elements).map(({ type, state_key: stateKey }) => ({ ...(type !== undefined && { type }), ...(stateKey !== undefined && { stateKey }) }));
  return { limit: Math.min(limit, max), state: new RequiredState([{ include: elementsOf(include), exclude: elementsOf(exclude), lazy }]) };
}

/** @returns the list without its configuration */
export function v4List({ range: places, filters }: z.output<typeof listSchema>): Omit<SlidingList, 'config'> {
  return {
    ranges: places ? [places] : null,
    filters: filters
      ? {
          isDirect: filters.is_dm, isEncrypted: filters.is_encrypted, isInvited: filters.is_invited, spaces: filters.spaces,
          types: filters.room_types && new Set(filters.room_types), notTypes: filters.not_room_types && new Set(filters.not_room_types),
          tags: filters.tags, notTags: filters.not_tags,
        }
      : {},
  };
}
