import { Injectable } from '@nestjs/common';
import { Config } from '../config/config.js';
import { Database, statement } from '../storage/database.js';
import type { TextKey } from './indexed-text.js';

/** What is searched for, and where. */
export interface TextQuery {
  readonly term: string;
  readonly roomNids: readonly number[];
  readonly keys: readonly TextKey[];
  /** Undefined for all. */
  readonly senders?: readonly string[] | undefined;
}

/** A text that was found. */
export interface TextMatch {
  /** Event whose text it is. */
  readonly nid: number;
  /** Event that is to be shown. */
  readonly shownNid: number;
  readonly roomNid: number;
  readonly ts: number;
  readonly rank: number;
}

/** A place among texts, of which newer ones come first. */
export interface TextPlace {
  readonly ts: number;
  readonly nid: number;
}

/** Where an event stands. */
export interface EventPlace {
  readonly nid: number;
  readonly roomNid: number;
  readonly pos: number;
  readonly stateNid: number | null;
}

interface Row {
  [column: string]: unknown;
  event_nid: number;
  shown_nid: number | null;
  room_nid: number;
  ts: number;
  rank: number;
}

/** Texts that are looked at by one question for the newest ones. */
const SPAN = 50_000;

const some = statement('search_index.matches', 'SELECT * FROM search_index_matches($1::text::regconfig, $2, $3, $4::smallint[], $5, $6)');
const newest = statement('search_index.newest', 'SELECT * FROM search_index_newest($1::text::regconfig, $2, $3, $4::smallint[], $5, $6, $7, $8, $9)');
const places = statement('search_index.places', 'SELECT event_nid, room_nid, pos, state_nid FROM events WHERE event_nid = ANY ($1) AND pos IS NOT NULL AND redacted_by IS NULL AND NOT is_purged');
const [OPEN, CLOSE] = ['\u{e000}', '\u{e001}'];
const headlines = statement(
  'search_index.headlines',
  `SELECT ts_headline($1::text::regconfig, t, websearch_to_tsquery($1::text::regconfig, $2), 'HighlightAll=true, StartSel=${OPEN}, StopSel=${CLOSE}') AS text FROM unnest($3::text[]) AS t`,
);

/** Finds texts by their words (PostgreSQL's full text search, with what people write into search fields: `"a phrase"`, `-not`, `or`). */
@Injectable()
export class SearchMatchesStore {
  constructor(
    private readonly db: Database,
    private readonly config: Config,
  ) {}

  /** Any `most` of what is found, in no order; all where there are fewer. */
  async some(query: TextQuery, most: number): Promise<TextMatch[]> {
    return (await this.db.query<Row>(some, [...this.#values(query), most])).map(matchOf);
  }

  /**
   * The newest beyond a place, `most` at most, newest first.
   *
   * @returns `end`: the last text that was looked at; undefined when there is no other beyond it
   */
  async newest(query: TextQuery, most: number, before: TextPlace): Promise<{ matches: TextMatch[]; end: TextPlace | undefined }> {
    const rows = await this.db.query<Row>(newest, [...this.#values(query), most, SPAN, before.ts, before.nid]);
    const last = rows.at(-1);
    if (last?.shown_nid !== null) return { matches: rows.map(matchOf), end: undefined };
    return { matches: rows.slice(0, -1).map(matchOf), end: { ts: last.ts, nid: last.event_nid } };
  }

  /** Places of events in their timelines, by number; what was redacted or purged has none here. */
  async places(nids: readonly number[]): Promise<ReadonlyMap<number, EventPlace>> {
    if (nids.length === 0) return new Map();
    const rows = await this.db.query<{ event_nid: number; room_nid: number; pos: number; state_nid: number | null }>(places, [nids]);
    return new Map(rows.map((row) => [row.event_nid, { nid: row.event_nid, roomNid: row.room_nid, pos: row.pos, stateNid: row.state_nid }]));
  }

  /** The words of texts in which a term was found, in lower case. */
  async words(term: string, texts: readonly string[]): Promise<string[]> {
    if (texts.length === 0) return [];
    const rows = await this.db.query<{ text: string }>(headlines, [this.config.searchLanguage, term, texts.map((one) => one.replaceAll(/[\0\u{e000}\u{e001}]/gu, ' '))]);
    const found = new Set<string>();
    for (const { text } of rows) for (const [, word] of text.matchAll(/\u{e000}(.*?)\u{e001}/gsu)) found.add(word!.toLowerCase());
    return [...found];
  }

  #values({ term, roomNids, keys, senders }: TextQuery): unknown[] {
    return [this.config.searchLanguage, term, roomNids, keys, senders ?? null];
  }
}

function matchOf(row: Row): TextMatch {
  return { nid: row.event_nid, shownNid: row.shown_nid!, roomNid: row.room_nid, ts: row.ts, rank: row.rank };
}
