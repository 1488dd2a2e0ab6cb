import { Injectable } from '@nestjs/common';
import { SearchMatchesStore, type TextMatch, type TextPlace, type TextQuery } from '../../search/search-matches.store.js';
import type { SearchOrder } from './search-request.js';
import { type FoundEvent, type Searcher, type SeenMatch, VisibleMatches } from './visible-matches.js';

/** Texts that are ordered together. Of what is found more often the newest ones count. */
const MOST = 1_000;
/** Questions for newer texts of one page. */
const MAX_LOOKS = 4;
const MIN_BATCH = 20;
/** Newest texts of one question, where not all that are found may be visible. */
const MIN_NEWEST = 100;
const BEYOND = 4;
const NEWEST: TextPlace = { ts: Number.MAX_SAFE_INTEGER, nid: Number.MAX_SAFE_INTEGER };

export interface EventQuery extends TextQuery {
  readonly order: SearchOrder;
  readonly limit: number;
  /** Only what comes after it. */
  readonly after?: (TextPlace & { readonly rank?: number | undefined }) | undefined;
}

export interface FoundPage {
  readonly found: readonly FoundEvent[];
  /** How often the term was found in what he can see; of what is found often, among some of it. */
  readonly count: number;
  /** Where to go on; undefined at the end. */
  readonly end: TextMatch | undefined;
}

/**
 * Searches in texts. What is found seldom is ordered whole; what is found often is looked for among the newest texts, which takes no longer in a
 * million of them.
 */
@Injectable()
export class EventSearch {
  constructor(
    private readonly store: SearchMatchesStore,
    private readonly visible: VisibleMatches,
  ) {}

  async page(query: EventQuery, searcher: Searcher): Promise<FoundPage> {
    if (query.roomNids.length === 0) return { found: [], count: 0, end: undefined };
    const some = await this.store.some(query, MOST + 1);
    const seen = await this.visible.seen(searcher, some);
    const count = seen.length;
    if (some.length <= MOST) return { ...(await this.#pageOf(seen, query, searcher)), count };
    if (query.order === 'recent') return { ...(await this.#newest(query, searcher)), count };
    return { ...(await this.#pageOf(await this.visible.seen(searcher, await this.#newestOnes(query)), query, searcher)), count };
  }

  /** A page of matches that are all there. */
  #pageOf(matches: readonly SeenMatch[], query: EventQuery, searcher: Searcher): Promise<Omit<FoundPage, 'count'>> {
    const { order, after } = query;
    const compare = order === 'rank' ? byRank : byTime;
    const place = after && { ts: after.ts, nid: after.nid, rank: after.rank ?? Infinity };
    const ordered = matches.filter(({ match }) => !place || compare(match, place) > 0).sort((a, b) => compare(a.match, b.match));
    return this.#fill([], ordered, query, searcher);
  }

  async #newest(query: EventQuery, searcher: Searcher): Promise<Omit<FoundPage, 'count'>> {
    let place: TextPlace = query.after ?? NEWEST;
    const found: FoundEvent[] = [];
    for (let look = 0; look < MAX_LOOKS; look++) {
      const { matches, end } = await this.store.newest(query, Math.max(MIN_NEWEST, BEYOND * query.limit), place);
      const page = await this.#fill(found, await this.visible.seen(searcher, matches), query, searcher);
      if (page.end) return page;
      if (!end) return { found, end: undefined };
      place = end;
    }
    return { found, end: { ...place, shownNid: 0, roomNid: 0, rank: 0 } };
  }

  /** The newest of what is found often, to be ordered by rank. */
  async #newestOnes(query: EventQuery): Promise<TextMatch[]> {
    const matches: TextMatch[] = [];
    let place: TextPlace | undefined = NEWEST;
    for (let look = 0; place && look < MAX_LOOKS && matches.length < MOST; look++) {
      const { matches: more, end }: { matches: TextMatch[]; end: TextPlace | undefined } = await this.store.newest(query, MOST - matches.length, place);
      matches.push(...more);
      place = end;
    }
    return matches;
  }

  /** Adds what is visible, until the page is full: then it says where it ends. */
  async #fill(found: FoundEvent[], ordered: readonly SeenMatch[], { limit }: EventQuery, searcher: Searcher): Promise<{ found: FoundEvent[]; end: TextMatch | undefined }> {
    const batch = Math.max(limit, MIN_BATCH);
    for (let start = 0; start < ordered.length; start += batch) {
      for (const one of await this.visible.shown(searcher, ordered.slice(start, start + batch))) {
        found.push(one);
        if (found.length >= limit) return { found, end: one.match };
      }
    }
    return { found, end: undefined };
  }
}

type Ranked = Pick<TextMatch, 'ts' | 'nid' | 'rank'>;

function byTime(a: Ranked, b: Ranked): number {
  return b.ts - a.ts || b.nid - a.nid;
}

function byRank(a: Ranked, b: Ranked): number {
  return b.rank - a.rank || byTime(a, b);
}
