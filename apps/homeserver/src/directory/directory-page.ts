import { z } from 'zod';
import { MatrixError } from '../errors/matrix-error.js';

/** Most rooms of a page. */
export const MAX_PAGE = 500;

/** Where a page of the directory begins: beyond the room of these many members and this number, in the given direction. */
export interface DirectoryPlace {
  readonly isBackwards: boolean;
  readonly members: number;
  readonly roomNid: number;
}

export interface DirectoryWish {
  /** 1 to `MAX_PAGE`. */
  readonly limit: number;
  /** Token of another page. */
  readonly since?: string | undefined;
  readonly term?: string | undefined;
  /** Types of rooms; null for those of none. Undefined for all. */
  readonly types?: readonly (string | null)[] | undefined;
}

/** A page as it is sent (definitions/public_rooms_response.yaml). */
export interface DirectoryPage {
  readonly chunk: readonly object[];
  readonly next_batch?: string;
  readonly prev_batch?: string;
  readonly total_room_count_estimate: number;
}

const PLACE = /^([nb])(\d{1,10})_(\d{1,16})$/;

export function placeText({ isBackwards, members, roomNid }: DirectoryPlace): string {
  return `${isBackwards ? 'b' : 'n'}${members}_${roomNid}`;
}

/** @throws MatrixError 400 M_INVALID_PARAM for what is no token of a page */
export function readPlace(since: string): DirectoryPlace {
  const [, direction, members, roomNid] = PLACE.exec(since) ?? [];
  if (direction === undefined) throw MatrixError.invalidParam('since is no token of a page of the directory');
  return { isBackwards: direction === 'b', members: Number(members), roomNid: Number(roomNid) };
}

const roomSchema = z.looseObject({
  room_id: z.string().max(255),
  num_joined_members: z.int().min(0),
  world_readable: z.boolean(),
  guest_can_join: z.boolean(),
});
const pageSchema = z.looseObject({
  chunk: z.array(z.unknown()),
  next_batch: z.string().max(1_024).optional().catch(undefined),
  prev_batch: z.string().max(1_024).optional().catch(undefined),
  total_room_count_estimate: z.int().min(0).optional().catch(undefined),
});

/** A page that another server has sent, without what is no room; undefined for what is no page. */
export function readPage(body: unknown): DirectoryPage | undefined {
  const { data } = pageSchema.safeParse(body);
  if (!data) return undefined;
  const chunk = data.chunk.slice(0, MAX_PAGE).flatMap((one) => roomSchema.safeParse(one).data ?? []);
  const { next_batch, prev_batch, total_room_count_estimate = chunk.length } = data;
  return { chunk, total_room_count_estimate, ...(next_batch === undefined ? {} : { next_batch }), ...(prev_batch === undefined ? {} : { prev_batch }) };
}
