import { z } from 'zod';
import { optionalText, queryNumber } from '../http/query-schemas.js';
import { type DirectoryWish, MAX_PAGE } from './directory-page.js';

const DEFAULT_LIMIT = 100;

export const directoryQuery = z.object({
  limit: queryNumber(MAX_PAGE).optional(),
  since: z.string().max(1_024).optional(),
  server: z.string().max(255).optional(),
});
export type DirectoryQuery = z.output<typeof directoryQuery>;

/** The body of `POST /publicRooms`, for clients and servers. */
export const directoryBody = z.object({
  limit: z.int().min(0).nullish(),
  since: optionalText(1_024),
  filter: z.object({ generic_search_term: optionalText(512), room_types: z.array(z.string().max(255).nullable()).max(50).nullish() }).nullish(),
  third_party_instance_id: optionalText(255),
});
export type DirectoryBody = z.output<typeof directoryBody>;

/** A limit of 0 is none. */
export function wishOf({ limit, since }: DirectoryQuery | DirectoryBody, filter?: DirectoryBody['filter']): DirectoryWish {
  return {
    limit: Math.min(limit || DEFAULT_LIMIT, MAX_PAGE),
    since,
    term: filter?.generic_search_term || undefined,
    types: filter?.room_types ?? undefined,
  };
}
