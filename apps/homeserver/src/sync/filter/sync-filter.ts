import { z } from 'zod';
import { isRoomId, isUserId } from '#federation';
import { text } from '../../http/query-schemas.js';

/** Timeline events per room when the filter says nothing, and at most. */
export const DEFAULT_TIMELINE_LIMIT = 10;
export const MAX_TIMELINE_LIMIT = 100;

const list = <T extends z.ZodType>(item: T) => z.array(item).max(1_000).optional();
const userId = z.string().max(255).refine((id) => isUserId(id, { historical: true }), 'must be a user id');
const roomId = z.string().max(255).refine((id) => isRoomId(id), 'must be a room id');
const type = z.string().max(255);
const relType = text(255);

const eventFilter = z.looseObject({
  limit: z.number().int().min(0).optional(),
  types: list(type),
  not_types: list(type),
  senders: list(userId),
  not_senders: list(userId),
});

/** client-server/definitions/room_event_filter.yaml */
export const roomEventFilterSchema = eventFilter.extend({
  lazy_load_members: z.boolean().optional(),
  include_redundant_members: z.boolean().optional(),
  unread_thread_notifications: z.boolean().optional(),
  rooms: list(roomId),
  not_rooms: list(roomId),
  contains_url: z.boolean().optional(),
  // What an event says of another one (MSC3874), and what others say of it (MSC3440).
  rel_types: list(relType),
  not_rel_types: list(relType),
  'org.matrix.msc3874.rel_types': list(relType),
  'org.matrix.msc3874.not_rel_types': list(relType),
  related_by_senders: list(userId),
  related_by_rel_types: list(relType),
});

/**
 * A filter as clients define it (Client-Server, "Filtering"). Members that are not known are kept as they are.
 *
 * A limit of 0 is taken for compatibility, although the specification wants 1 or more: clients ask for a room list with it.
 */
export const syncFilterSchema = z.looseObject({
  event_fields: list(z.string().max(255)),
  event_format: z.enum(['client', 'federation']).optional(),
  presence: eventFilter.optional(),
  account_data: eventFilter.optional(),
  room: z.looseObject({
    rooms: list(roomId),
    not_rooms: list(roomId),
    ephemeral: roomEventFilterSchema.optional(),
    include_leave: z.boolean().optional(),
    state: roomEventFilterSchema.optional(),
    timeline: roomEventFilterSchema.optional(),
    account_data: roomEventFilterSchema.optional(),
  }).optional(),
});

export type SyncFilter = z.output<typeof syncFilterSchema>;
export type RoomEventFilter = z.output<typeof roomEventFilterSchema>;
