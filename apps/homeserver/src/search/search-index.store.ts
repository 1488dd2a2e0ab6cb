import { Injectable } from '@nestjs/common';
import { parseStoredJson } from '#json';
import { Database, longStatement, statement, type Transaction } from '../storage/database.js';
import { INDEXED_TYPES, indexedTextOf, redactedBy, type IndexedText } from './indexed-text.js';

/** Events of one question. */
const PAGE = 200;

/** What is to be done for some events. */
export interface IndexWork {
  readonly texts: readonly IndexedText[];
  /** Ids of events that may have been redacted. */
  readonly redacted: readonly string[];
}

interface Stretch {
  readonly stretch_nid: number;
  readonly room_nid: number;
  readonly after_pos: number;
  readonly up_to_pos: number;
}

const insertTexts = statement(
  'search_index.insert',
  `INSERT INTO search_index (event_nid, room_nid, ts, sender, key, replaces, shown_nid, words)
   SELECT e.event_nid, e.room_nid, e.origin_server_ts, e.sender, t.key, t.replaces, CASE WHEN t.replaces IS NULL THEN e.event_nid END, to_tsvector($1::text::regconfig, t.text)
   FROM unnest($2::text[], $3::smallint[], $4::text[], $5::text[]) AS t (event_id, key, text, replaces) JOIN events e USING (event_id)
   WHERE e.redacted_by IS NULL AND e.pos IS NOT NULL AND NOT e.is_purged ON CONFLICT (event_nid) DO NOTHING`,
);
const deleteRedacted = statement(
  'search_index.delete_redacted',
  `DELETE FROM search_index i USING events e WHERE e.event_id = ANY ($1) AND e.redacted_by IS NOT NULL AND i.event_nid = e.event_nid RETURNING i.replaces`,
);
// Of an event and its valid edits (its sender's, of its room) the newest edit counts, or else itself; without the event none does.
const choose = statement(
  'search_index.choose',
  `WITH versions AS (
     SELECT t.event_id AS target, t.event_nid AS target_nid, i.event_nid, i.shown_nid, 0 AS is_edit, i.ts FROM events t JOIN search_index i USING (event_nid) WHERE t.event_id = ANY ($1) AND i.replaces IS NULL
     UNION ALL
     SELECT t.event_id, t.event_nid, i.event_nid, i.shown_nid, 1, i.ts FROM events t JOIN search_index i ON i.replaces = t.event_id AND i.room_nid = t.room_nid AND i.sender = t.sender WHERE t.event_id = ANY ($1)
   ), best AS (
     SELECT DISTINCT ON (target) target, event_nid FROM versions ORDER BY target, is_edit DESC, ts DESC, event_nid DESC
   ), standing AS (
     SELECT target FROM versions WHERE is_edit = 0
   )
   UPDATE search_index i SET shown_nid = CASE WHEN i.event_nid = b.event_nid AND b.target IN (SELECT target FROM standing) THEN v.target_nid END
   FROM versions v JOIN best b USING (target)
   WHERE i.event_nid = v.event_nid AND v.shown_nid IS DISTINCT FROM CASE WHEN v.event_nid = b.event_nid AND b.target IN (SELECT target FROM standing) THEN v.target_nid END`,
);
const progress = statement('search_progress.get', 'SELECT pos, language FROM search_progress');
const advance = statement('search_progress.set', 'UPDATE search_progress SET pos = $1');
const setLanguage = statement('search_progress.language', 'UPDATE search_progress SET pos = $1, language = $2');
const clear = longStatement('search_index.clear', 'DELETE FROM search_index');
const clearStretches = statement('search_stretches.clear', 'DELETE FROM search_stretches');
const addBehind = longStatement(
  'search_stretches.behind',
  'INSERT INTO search_stretches (room_nid, after_pos, up_to_pos) SELECT room_nid, $1, last_pos FROM rooms WHERE last_pos > $1 AND state_nid IS NOT NULL ORDER BY last_pos DESC',
);
const nextStretch = statement('search_stretches.next', 'SELECT stretch_nid, room_nid, after_pos, up_to_pos FROM search_stretches ORDER BY stretch_nid LIMIT 1');
const shortenStretch = statement('search_stretches.shorten', 'UPDATE search_stretches SET after_pos = $2 WHERE stretch_nid = $1');
const deleteStretch = statement('search_stretches.delete', 'DELETE FROM search_stretches WHERE stretch_nid = $1');
const page = statement(
  'search_stretches.page',
  `SELECT event_id, pos, type, state_key, json FROM events WHERE room_nid = $1 AND pos > $2 AND pos <= $3 AND type = ANY ($4) AND status = 0 ORDER BY pos LIMIT ${PAGE}`,
);

/** Below every position of a timeline. */
const FIRST_POS = Number.MIN_SAFE_INTEGER;

/** Writes the index of texts. */
@Injectable()
export class SearchIndexStore {
  constructor(private readonly db: Database) {}

  /**
   * Has all that came after what the index has seen done by stretches; everything where it is of another language.
   *
   * @param pos present end of the `events` stream
   */
  async queueMissed(language: string, pos: number): Promise<void> {
    const [held] = await this.db.query<{ pos: number; language: string }>(progress);
    const isNew = held!.language !== language;
    if (isNew) await this.db.query(clear);
    await this.db.transaction(async (tx) => {
      if (isNew) await tx.write(clearStretches);
      await tx.write(addBehind, [isNew ? FIRST_POS : held!.pos]);
      await tx.write(setLanguage, [pos, language]);
    });
  }

  /** @param pos up to which everything is indexed with that, or in a stretch */
  async put(language: string, work: IndexWork, pos: number): Promise<void> {
    await this.db.transaction(async (tx) => {
      await this.#put(tx, language, work);
      await tx.write(advance, [pos]);
    });
  }

  /** Does a page of the oldest stretch. @returns false when there is none */
  async putStretch(language: string): Promise<boolean> {
    const [stretch] = await this.db.query<Stretch & { [column: string]: unknown }>(nextStretch);
    if (!stretch) return false;
    const rows = await this.db.query<{ event_id: string; pos: number; json: string }>(page, [stretch.room_nid, stretch.after_pos, stretch.up_to_pos, INDEXED_TYPES]);
    const texts: IndexedText[] = [];
    const redacted: string[] = [];
    for (const row of rows) {
      const event = parseStoredJson(row.json) as unknown as Parameters<typeof indexedTextOf>[0];
      const text = indexedTextOf(event, row.event_id);
      if (text) texts.push(text);
      const target = redactedBy(event);
      if (target !== undefined) redacted.push(target);
    }
    await this.db.transaction(async (tx) => {
      await this.#put(tx, language, { texts, redacted });
      if (rows.length === PAGE) await tx.write(shortenStretch, [stretch.stretch_nid, rows.at(-1)!.pos]);
      else await tx.write(deleteStretch, [stretch.stretch_nid]);
    });
    return true;
  }

  async #put(tx: Transaction, language: string, { texts, redacted }: IndexWork): Promise<void> {
    const changed = new Set<string>();
    if (texts.length > 0) {
      await tx.write(insertTexts, [language, texts.map((one) => one.eventId), texts.map((one) => one.key), texts.map((one) => one.text), texts.map((one) => one.replaces)]);
      for (const { eventId, replaces } of texts) changed.add(replaces ?? eventId);
    }
    if (redacted.length > 0) {
      const gone = await tx.query<{ replaces: string | null }>(deleteRedacted, [redacted]);
      for (const eventId of [...redacted, ...gone.map((row) => row.replaces)]) if (eventId !== null) changed.add(eventId);
    }
    if (changed.size > 0) await tx.write(choose, [[...changed]]);
  }
}
