import { z } from 'zod';
import { parseJson } from '#json';
import { MatrixError } from '../../errors/matrix-error.js';
import type { TextPlace } from '../../search/search-matches.store.js';
import type { GroupKey } from './search-request.js';

/** Where a page of what was found begins, as its token says. */
export interface SearchPlace extends TextPlace {
  /** Of the last text of the page before; only where texts are ordered by it. */
  readonly rank?: number | undefined;
  /** The page is one of a group. */
  readonly group?: readonly [key: GroupKey, value: string] | undefined;
}

const schema = z.tuple([z.int(), z.int(), z.number().nullable(), z.tuple([z.enum(['room_id', 'sender']), z.string().max(255)]).nullable()]);
const MAX_LENGTH = 1_024;

export function searchToken({ ts, nid, rank, group }: SearchPlace): string {
  return Buffer.from(JSON.stringify([ts, nid, rank ?? null, group ?? null])).toString('base64url');
}

/** @throws MatrixError 400 M_INVALID_PARAM for what is no such token */
export function readSearchToken(token: string): SearchPlace {
  try {
    if (token.length > MAX_LENGTH) throw new Error('too long');
    const [ts, nid, rank, group] = schema.parse(parseJson(Buffer.from(token, 'base64url').toString()));
    return { ts, nid, ...(rank === null ? {} : { rank }), ...(group === null ? {} : { group }) };
  } catch {
    throw MatrixError.invalidParam('next_batch is no token of a page of search results');
  }
}
