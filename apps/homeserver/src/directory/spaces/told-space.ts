import { z } from 'zod';
import type { RoomSummary } from '../room-summary.js';
import { sortChildren, type SpaceChild } from './space-children.js';

const optional = z.string().max(2_048).optional().catch(undefined);
const summarySchema = z.looseObject({
  room_id: z.string().max(255),
  num_joined_members: z.int().min(0),
  world_readable: z.boolean().catch(false),
  guest_can_join: z.boolean().catch(false),
  join_rule: z.string().max(255).optional().catch('invite').transform((rule) => rule ?? 'public'),
  room_version: optional,
  name: optional,
  topic: optional,
  canonical_alias: optional,
  avatar_url: optional,
  room_type: optional,
  encryption: optional,
  allowed_room_ids: z.array(z.string().max(255)).max(100).optional().catch(undefined),
});
const childSchema = z.object({
  type: z.literal('m.space.child'),
  state_key: z.string().max(255),
  content: z.record(z.string(), z.unknown()),
  sender: z.string().max(255),
  origin_server_ts: z.number(),
});
const spaceSchema = z.looseObject({ room: z.unknown(), children: z.array(z.unknown()).catch([]), inaccessible_children: z.array(z.string()).catch([]) });

/** A room that another server tells of. */
export interface ToldRoom {
  readonly summary: RoomSummary;
  readonly children: readonly SpaceChild[];
}

/** Answer of `GET /_matrix/federation/v1/hierarchy/{roomId}`. */
export interface ToldSpace {
  readonly room: ToldRoom;
  /** Rooms of the space by id; of those that are spaces their children are not told. */
  readonly children: ReadonlyMap<string, RoomSummary>;
  readonly inaccessible: ReadonlySet<string>;
}

/** Reads what another server answered; undefined unless it tells of the room. Only children that the room itself names are taken. */
export function readToldSpace(body: unknown, roomId: string): ToldSpace | undefined {
  const answer = spaceSchema.safeParse(body).data;
  const summary = readSummary(answer?.room);
  if (!answer || summary?.room_id !== roomId) return undefined;
  const stated = (answer.room as { children_state?: unknown }).children_state;
  const children = sortChildren((Array.isArray(stated) ? stated : []).flatMap((one) => childSchema.safeParse(one).data ?? []));
  const named = new Set(children.map((child) => child.state_key));
  const told = answer.children.map(readSummary).filter((one) => one !== undefined && named.has(one.room_id)) as RoomSummary[];
  return {
    room: { summary, children },
    children: new Map(told.map((one) => [one.room_id, one])),
    inaccessible: new Set(answer.inaccessible_children.filter((id) => named.has(id))),
  };
}

/** Only the members that are known: what else a server sends goes to nobody. */
function readSummary(value: unknown): RoomSummary | undefined {
  const { data } = summarySchema.safeParse(value);
  if (!data) return undefined;
  const known = Object.keys(summarySchema.shape) as (keyof typeof data)[];
  return Object.fromEntries(known.filter((key) => data[key] !== undefined).map((key) => [key, data[key]])) as unknown as RoomSummary;
}
