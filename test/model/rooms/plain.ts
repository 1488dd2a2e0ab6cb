import { checkAuth, resolveState, stateKeyOf, type HomeRecord, type JsonObject, type Pdu, type RoomEvent } from '#federation';
import { isSame, refusalOf, rules, stateAfter, type Dag, type Node, type State } from './dag.ts';
import { seals } from './keys.ts';
import { firstRecord, homelessRecord, short } from './people.ts';

/**
 * The same graph as if nobody's homes had ever changed: no home is asked for. What then stands is Matrix's doing. The records are
 * `ordered` as they were, so that the same member events are shown, or all the first one (`none`).
 */
export class PlainRoom {
  readonly #events = new Map<string, RoomEvent>();
  readonly #after = new Map<string, State>();
  readonly #refused = new Set<string>();
  readonly #dag: Dag;
  readonly #records: 'ordered' | 'none';

  /** @param left events that are to count as never made */
  constructor(dag: Dag, left: ReadonlySet<string>, records: 'ordered' | 'none') {
    this.#records = records;
    this.#dag = dag;
    for (const node of dag.nodes.values()) this.#add(node, left);
  }

  stateAt(ids: readonly string[]): State {
    const states = ids.map((id) => this.#after.get(id)!);
    const distinct = states.filter((state, i) => states.findIndex((other) => isSame(other, state)) === i);
    if (distinct.length <= 1) return distinct[0] ?? new Map();
    return resolveState({
      rules, roomId: this.#dag.create.roomId, stateSets: distinct, event: (id) => this.#events.get(id), ctx: seals,
      isRejected: (id) => this.#refused.has(id),
    });
  }

  event(id: string | undefined): RoomEvent | undefined {
    return this.#events.get(id ?? '');
  }

  isRefused(id: string): boolean {
    return this.#refused.has(id);
  }

  #add({ event, refusal }: Node, left: ReadonlySet<string>): void {
    const id = event.eventId;
    const { type, state_key: stateKey, content } = event.pdu;
    const cited = [...new Set(event.pdu.auth_events.flatMap((one) => this.#standing(one) ?? []))];
    const plain = { ...event, pdu: { ...event.pdu, auth_events: cited, content: this.#withoutHomes(content, stateKey || event.pdu.sender) } };
    this.#events.set(id, plain);
    const before = this.stateAt(event.pdu.prev_events);
    const reader = { get: (of: string, key: string) => this.#events.get(before.get(stateKeyOf(of, key)) ?? '') };
    const isOut = refusal !== undefined || left.has(id) || refusalOf(() => checkAuth(plain, reader, rules, seals, 'resolution')) !== undefined;
    if (isOut && type !== 'm.room.create') this.#refused.add(id);
    this.#after.set(id, this.#refused.has(id) ? before : stateAfter(before, plain));
  }

  /** What an event cites, or in the place of what does not count its predecessor. */
  #standing(id: string): string | undefined {
    for (let at: string | undefined = id; at !== undefined && this.#refused.has(at);) {
      const { type, state_key: stateKey, auth_events: cited }: Pdu = this.#events.get(at)!.pdu;
      at = cited.find((one: string) => {
        const { pdu } = this.#events.get(one)!;
        return pdu.type === type && pdu.state_key === stateKey;
      });
      id = at ?? '';
    }
    return id === '' ? undefined : id;
  }

  #withoutHomes(content: JsonObject, userId: string): JsonObject {
    const record = content['home_record'] as unknown as HomeRecord | undefined;
    if (record === undefined) return content;
    const bare = this.#records === 'none' ? firstRecord(short(userId), ['x']) : homelessRecord(short(userId), record);
    return { ...content, home_record: bare as unknown as JsonObject };
  }
}

