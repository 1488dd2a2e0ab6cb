import { z } from 'zod';
import { text } from '../../http/query-schemas.js';
import { roomEventFilterSchema } from '../filter/sync-filter.js';

const limit = z.int().min(0);

/** client-server/search.yaml: what is searched for in the events of rooms. */
const roomEventsSchema = z.looseObject({
  search_term: text(1_024),
  keys: z.array(z.enum(['content.body', 'content.name', 'content.topic'])).max(3).nullish(),
  filter: roomEventFilterSchema.nullish(),
  order_by: z.enum(['recent', 'rank']).nullish(),
  event_context: z.looseObject({ before_limit: limit.nullish(), after_limit: limit.nullish(), include_profile: z.boolean().nullish() }).nullish(),
  include_state: z.boolean().nullish(),
  groupings: z.looseObject({ group_by: z.array(z.looseObject({ key: z.enum(['room_id', 'sender']) })).max(2).nullish() }).nullish(),
});

export const searchSchema = z.looseObject({ search_categories: z.looseObject({ room_events: roomEventsSchema.nullish() }) });

export type SearchBody = z.output<typeof searchSchema>;
export type RoomEventsSearch = z.output<typeof roomEventsSchema>;
export type SearchOrder = 'recent' | 'rank';
export type GroupKey = 'room_id' | 'sender';
