import { Injectable } from '@nestjs/common';
import type { RoomEvent } from '#federation';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { atMost } from '../../observability/at-most.js';
import { Clock } from '../../observability/clock.js';
import { readAll } from '../../rooms/remote/read-all.js';
import type { ReplicaEnds } from './connected-ends.js';
import { gatherReplicas, type Gathered } from './replica-gathering.js';
import { ReplicaRequests, type Asker, type ReplicaAnswer, type ReplicaCopy } from './replica-requests.js';
import { statesAfter } from './states-after.js';

/** After so long without the copy of a replica that has answered, another one is asked for its. */
const HEDGE_MS = 1_500;
/** Where the copy of one replica is here, differences of others are waited for so long; the rest comes later. */
const DIFFERENCE_MS = 8_000;
/** How long replicas may take to say what lies between their ends and those of others. */
const ASK_MS = 1_500;

/** The ends of replicas, with their events and the states after them. */
interface RoomEnds {
  readonly replicas: ReplicaEnds[];
  readonly pdus: RoomEvent[];
  readonly states: ReadonlyMap<string, readonly (readonly string[])[]>;
}

/** What replicas of a room have. */
export interface Surveyed {
  readonly gathered: Gathered;
  /** A whole copy. */
  readonly base: ReplicaCopy;
  /** That one, and what replicas with other states have beside it. */
  readonly copies: readonly ReplicaCopy[];
  readonly ends: RoomEnds;
}

/** Asks all replicas of a room that moves in what they have: who answers, a whole copy, where others differ, and the ends of all. */
@Injectable()
export class RoomSurvey {
  constructor(
    private readonly config: Config,
    private readonly requests: ReplicaRequests,
    private readonly clock: Clock,
  ) {}

  /**
   * @param seen events that a client of the account has seen, which replicas are chosen by
   * @param distrusted whose copies lacked something: others' are taken, and whole
   * @throws MatrixError 404 `M_NOT_FOUND` when no server is known; else the last one's refusal or silence
   */
  async ask(roomId: string, asker: Asker, via: readonly string[], seen: readonly string[], distrusted: readonly string[] = []): Promise<Surveyed> {
    const gathered = await gatherReplicas((server) => this.requests.ends(server, roomId, asker, { seen }), via, this.config.serverName, seen, () => this.clock.steady());
    if (gathered.answers.length === 0) throw gathered.failure ?? MatrixError.notFound('No server is known that holds the room');
    const base = await this.#firstCopy(gathered.answers, roomId, asker, seen, distrusted);
    const copies = [base, ...(await this.#differences(gathered.answers, base, roomId, asker, distrusted.length > 0))];
    const same = gathered.answers.filter((answer) => answer.server !== base.server && copies.some((copy) => copy.stateHash === answer.stateHash));
    const ends = await this.#ends([...copies, ...same.filter((answer) => !copies.some((copy) => copy.server === answer.server))], copies, roomId, asker);
    return { gathered, base, copies, ends };
  }

  /** The whole room of one replica: of one that has what the client has seen, and what most have. */
  async #firstCopy(answers: readonly ReplicaAnswer[], roomId: string, asker: Asker, seen: readonly string[], distrusted: readonly string[]): Promise<ReplicaCopy> {
    const alike = (answer: ReplicaAnswer): number => answers.filter((other) => other.stateHash === answer.stateHash).length;
    const isDistrusted = ({ server }: ReplicaAnswer): number => Number(distrusted.includes(server));
    const order = [...answers].sort((a, b) => isDistrusted(a) - isDistrusted(b) ||
      (seen.length > 0 ? b.seen.length - a.seen.length : 0) || alike(b) - alike(a) || b.ends.length - a.ends.length);
    const asked: Promise<ReplicaCopy>[] = [];
    for (const { server } of order) {
      const copy = this.requests.copy(server, roomId, asker);
      asked.push(copy);
      const soon = await atMost(copy.catch(() => null), HEDGE_MS, null);
      if (soon) return soon;
    }
    return Promise.any(asked).catch((error: AggregateError) => {
      throw error.errors.at(-1);
    });
  }

  /** What replicas with other states have that the first one has not, one of each kind. */
  async #differences(answers: readonly ReplicaAnswer[], base: ReplicaCopy, roomId: string, asker: Asker, areWhole: boolean): Promise<ReplicaCopy[]> {
    const kinds = new Map(answers.filter((answer) => answer.stateHash !== base.stateHash).map((answer) => [answer.stateHash, answer.server]));
    const copies = await Promise.all([...kinds.values()].map((server) =>
      atMost(this.requests.copy(server, roomId, asker, areWhole ? [] : base.stateIds).catch(() => null), DIFFERENCE_MS, null)));
    return copies.filter((copy) => copy !== null);
  }

  /** The ends of these replicas and the states after them, with what leads to those of others where they differ. */
  async #ends(
    answers: readonly ReplicaAnswer[], copies: readonly ReplicaCopy[], roomId: string, asker: Asker,
  ): Promise<RoomEnds> {
    const all = [...new Set(answers.flatMap((answer) => answer.ends))];
    const isAlike = answers.every((answer) => answer.ends.length === all.length);
    const pdus: RoomEvent[] = [];
    const replicas = await Promise.all(answers.map(async (answer): Promise<ReplicaEnds> => {
      const since = all.filter((id) => !answer.ends.includes(id));
      const more = isAlike ? null : await atMost(this.requests.ends(answer.server, roomId, asker, { since, seen: since }).catch(() => null), ASK_MS, null);
      const given = await readAll([...answer.pdus, ...(more?.pdus ?? [])], answer.rules, roomId);
      pdus.push(...given);
      const stateIds = 'stateIds' in answer ? (answer as ReplicaCopy).stateIds : [];
      return {
        ends: answer.ends.filter((id) => given.some((event) => event.eventId === id)),
        prev: new Map(given.map((event) => [event.eventId, event.pdu.prev_events])),
        held: new Set([...stateIds, ...(more?.seen ?? [])]),
      };
    }));
    return { replicas, pdus, states: statesAfter(answers, copies) };
  }
}
