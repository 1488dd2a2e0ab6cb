import { checkAuth, compareRecords, homeIn, isByRetiredHome, recordOf, stateKeyOf, type HomeRecord } from '#federation';
import { refusalOf, rules, type Dag, type Node, type State } from './dag.ts';
import { seals } from './keys.ts';
import { domain } from './people.ts';

/** A replica: which events it has, which of them are its ends, which records it knows. */
export class Server {
  isAlive = true;
  /** Follows no rule any more; what it takes and says is the thief's. */
  isSeized = false;
  holdsRoom = false;
  readonly known = new Set<string>();
  readonly softFailed = new Set<string>();
  ends = new Set<string>();
  readonly records = new Map<string, HomeRecord>();

  #heldBack = false;

  readonly name: string;
  readonly dag: Dag;

  constructor(name: string, dag: Dag) {
    this.name = name;
    this.dag = dag;
  }

  get isHonest(): boolean {
    return this.isAlive && !this.isSeized && this.holdsRoom;
  }

  get state(): State {
    return this.dag.stateAt([...this.ends]);
  }

  /** Whether this server thinks that somebody who lives at another one, or here, is in the room. */
  names(server: Server): boolean {
    return [...this.state].some(([key, id]) => {
      const member = key.startsWith('m.room.member') ? this.dag.event(id) : undefined;
      return member?.pdu.content['membership'] === 'join' && homeIn(recordOf(member), domain(server.name)) !== undefined;
    });
  }

  /** The account's record as this server would act by it: the highest one that it has heard of. */
  learn(record: HomeRecord): void {
    const known = this.records.get(record.user_id);
    // Nearly always it is the same one, and comparing costs two hashes.
    if (known?.signature === record.signature) return;
    if (!known || compareRecords(record, known) > 0) this.records.set(record.user_id, record);
  }

  isHomeOf(userId: string): boolean {
    return homeIn(this.records.get(userId), domain(this.name)) !== undefined;
  }

  /** Takes an event with all that it builds on, which the one who brings it has. */
  receive(node: Node, from: string): void {
    if (this.known.has(node.event.eventId)) return;
    for (const id of node.event.pdu.prev_events) this.receive(this.dag.get(id), from);
    const { event } = node;
    this.known.add(event.eventId);
    if (node.refusal !== undefined) return;
    const record = recordOf(event);
    if (record && event.pdu.type === 'm.room.member') this.learn(record);
    const isMine = from === this.name;
    if (!isMine && this.ends.size > 0 && this.#isRefusedNow(node, from) && !this.#stands(node)) {
      this.softFailed.add(event.eventId);
      return;
    }
    this.ends = new Set([...this.ends].filter((id) => !event.pdu.prev_events.includes(id)));
    this.ends.add(event.eventId);
  }

  /** Beside what this server knows: the rules, and a retired home's word by its own mouth (protocol §3, "Delivery"). */
  #isRefusedNow({ event }: Node, from: string): boolean {
    const state = this.dag.reader(this.state);
    this.#heldBack = domain(from) === event.pdu.home && isByRetiredHome(event, state, seals);
    return this.#heldBack || refusalOf(() => checkAuth(event, state, rules, seals, 'beside')) !== undefined;
  }

  /** Whether the state that the room has with the event, if it was an end of the graph, has it, or allows it (protocol §3, "Delivery"). */
  #stands({ event, after }: Node): boolean {
    const { type, state_key: stateKey } = event.pdu;
    if (this.#heldBack) return false;
    const state = this.dag.resolve([...[...this.ends].map((id) => this.dag.get(id).after), after]);
    if (stateKey !== undefined) return state.get(stateKeyOf(type, stateKey)) === event.eventId;
    return refusalOf(() => checkAuth(event, this.dag.reader(state), rules, seals, 'beside')) === undefined;
  }

  /** A copy of everything that some replicas hold, whatever each has made of it (protocol §3, "Moving in"). */
  copyFrom(replicas: readonly Server[]): void {
    this.holdsRoom = true;
    const nodes = new Set(replicas.flatMap((replica) => [...replica.known]));
    for (const node of [...nodes].map((id) => this.dag.get(id)).sort((a, b) => a.n - b.n)) this.known.add(node.event.eventId);
    const ends = new Set([...this.ends, ...replicas.flatMap((replica) => [...replica.ends])]);
    this.ends = new Set([...ends].filter((id) => ![...ends].some((other) => other !== id && this.#leadsTo(other, id))));
    for (const replica of replicas) for (const record of replica.records.values()) this.learn(record);
  }

  #leadsTo(from: string, to: string): boolean {
    const goal = this.dag.get(to).n;
    const stack = [from];
    const seen = new Set(stack);
    for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
      for (const prev of this.dag.get(id).event.pdu.prev_events) {
        if (prev === to) return true;
        if (!seen.has(prev) && this.dag.get(prev).n > goal) {
          seen.add(prev);
          stack.push(prev);
        }
      }
    }
    return false;
  }
}
