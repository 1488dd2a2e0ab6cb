import { Injectable } from '@nestjs/common';
import type { JsonObject } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { KeyedQueue } from '../../observability/keyed-queue.js';
import { Database, statement } from '../../storage/database.js';
import { EventsStore } from '../timeline/events.store.js';
import { relationOf, type Relation } from './relation-of.js';

const annotated = statement(
  'sent_relations.annotated',
  `SELECT event_id FROM event_relations
   WHERE room_nid = $1 AND parent_id = $2 AND rel_type = 'm.annotation' AND sender = $3 AND type = $4 AND key = $5 LIMIT 1`,
);

/** An event that somebody here is about to send. */
export interface RelatingSend {
  readonly roomId: string;
  readonly sender: string;
  readonly type: string;
  readonly stateKey?: string;
  readonly content: JsonObject;
  readonly txn?: string | null;
}

/** What people here may not say of other events, although rooms allow it (Client-Server, "Forming relationships between events"). */
@Injectable()
export class SentRelations {
  /** By annotation: of two that are sent at once the second one sees the first. */
  readonly #annotations = new KeyedQueue();

  constructor(
    private readonly db: Database,
    private readonly events: EventsStore,
  ) {}

  /**
   * Runs `send` where the event may be sent. Asks nothing for events that neither annotate nor reply in a thread.
   *
   * @throws MatrixError 400 `M_DUPLICATE_ANNOTATION` for the same annotation of the same sender, 400 `M_UNKNOWN` for a thread that would
   *   begin at an event which itself relates to one
   */
  async run<T>(request: RelatingSend, roomNid: number, send: () => Promise<T>): Promise<T> {
    const relation = request.stateKey === undefined && request.content['m.relates_to'] !== undefined ? relationOf(request) : undefined;
    if (relation?.relType === 'm.thread') await this.#checkRoot(request, relation);
    if (relation?.relType !== 'm.annotation' || relation.key === null) return send();
    return this.#annotations.run(JSON.stringify([roomNid, relation.parentId, request.sender, request.type, relation.key]), async () => {
      await this.#checkAnnotation(request, roomNid, relation);
      return send();
    });
  }

  async #checkRoot({ roomId }: RelatingSend, { parentId }: Relation): Promise<void> {
    const root = await this.events.byId(roomId, parentId);
    if (root && relationOf(root.event.pdu)) throw new MatrixError(400, 'M_UNKNOWN', 'A thread cannot begin at an event that relates to another one');
  }

  async #checkAnnotation({ roomId, sender, type, txn }: RelatingSend, roomNid: number, { parentId, key }: Relation): Promise<void> {
    const [first] = await this.db.query<{ event_id: string }>(annotated, [roomNid, parentId, sender, type, key]);
    if (!first) return;
    // The same request again is answered as the first time.
    const sent = txn ? await this.events.byTxn(roomId, sender, [txn]) : [];
    if (sent.length === 0) throw new MatrixError(400, 'M_DUPLICATE_ANNOTATION', 'You have annotated this event with the same key already');
  }
}
