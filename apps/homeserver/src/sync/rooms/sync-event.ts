import { clientEventJson, referencedIds, type JsonObject, type JsonValue } from '#federation';
import { parseStoredJson } from '#json';
import { type Relation, relationOf } from '../../rooms/relations/relation-of.js';
import { MAIN_THREAD } from '../unread/unread-tally.js';

/** A row of `events` as the cache of sync reads it. */
export interface SyncEventRow {
  event_nid: number;
  room_nid: number;
  event_id: string;
  type: string;
  state_key: string | null;
  sender: string;
  origin_server_ts: number;
  is_own: boolean;
  device_id: string | null;
  client_txn: string | null;
  json: string;
  redacted_by: string | null;
  /** Whether events relate to it of which something is told beside it; absent where nobody asks. */
  is_parent?: boolean;
}

/** An event, ready to be spliced into answers. The same object serves all users; what differs per user is `unsigned`. */
export class SyncEvent {
  readonly nid: number;
  readonly roomNid: number;
  readonly eventId: string;
  readonly type: string;
  readonly stateKey: string | null;
  readonly sender: string;
  readonly originServerTs: number;
  readonly isOwn: boolean;
  readonly deviceId: string | null;
  readonly clientTxn: string | null;
  readonly redactedBy: string | null;
  /** Canonical JSON of the PDU. */
  readonly json: string;
  /** Client format without `room_id` and `unsigned`, without the closing brace. */
  readonly open: string;
  /** Client format of the redaction that was applied. */
  redactedBecause: string | null = null;
  /**
   * Where an event before this one is missing here: the position above which that is, so that no timeline from below it reaches
   * over this event. 0 when none is missing, undefined until it was looked up.
   */
  gapPos: number | undefined;
  /** False where nothing is told beside this event of those that relate to it. */
  isParent: boolean;
  #content: JsonObject | undefined;
  #txn: string | null | undefined;
  #thread: string | undefined;

  constructor(row: SyncEventRow) {
    this.nid = row.event_nid;
    this.roomNid = row.room_nid;
    this.eventId = row.event_id;
    this.type = row.type;
    this.stateKey = row.state_key;
    this.sender = row.sender;
    this.originServerTs = row.origin_server_ts;
    this.isOwn = row.is_own;
    this.deviceId = row.device_id;
    this.clientTxn = row.client_txn;
    this.redactedBy = row.redacted_by;
    this.json = row.json;
    this.isParent = row.is_parent ?? false;
    this.open = clientEventJson({ json: row.json, eventId: row.event_id, roomId: '' }, { omitRoomId: true }).slice(0, -1);
    // Own events follow what was here, except those by which somebody came into a room of another server.
    if (row.is_own && row.type !== 'm.room.member') this.gapPos = 0;
  }

  /** The once-only key of an event of a portable room (protocol §6); null without one. */
  get txn(): string | null {
    if (this.#txn === undefined) {
      const txn = this.json.includes('"txn":"') ? (parseStoredJson(this.json) as { txn?: unknown }).txn : null;
      this.#txn = typeof txn === 'string' ? txn : null;
    }
    return this.#txn;
  }

  get content(): JsonObject {
    return (this.#content ??= (parseStoredJson(this.json) as { content: JsonObject }).content);
  }

  get contentText(): string {
    return JSON.stringify(this.content);
  }

  get hasUrl(): boolean {
    return this.content['url'] !== undefined;
  }

  /** What it says of another event. */
  get relation(): Relation | undefined {
    return relationOf({ type: this.type, content: this.content });
  }

  get relType(): string | undefined {
    return this.relation?.relType;
  }

  /** The thread that it is in: the event id of its first event, or `main`; undefined until it was looked up (`EventThreads`). */
  get thread(): string | undefined {
    if (this.#thread !== undefined) return this.#thread;
    const relation = this.relation;
    if (!relation) this.#thread = MAIN_THREAD;
    else if (relation.relType === 'm.thread') this.#thread = relation.parentId;
    return this.#thread;
  }

  set thread(thread: string | undefined) {
    this.#thread = thread;
  }

  /** `content.membership` of a member event. */
  get membership(): string | undefined {
    const membership = this.content['membership'];
    return typeof membership === 'string' ? membership : undefined;
  }

  get prevEvents(): readonly string[] {
    return referencedIds((parseStoredJson(this.json) as { prev_events?: JsonValue }).prev_events) as string[];
  }

  /** Approximate bytes in memory. */
  get size(): number {
    return 2 * (this.json.length + this.open.length) + 300;
  }
}
