import { Injectable } from '@nestjs/common';
import { EventTooLargeError, withGivenSignature, jsonMember, type JsonObject, type RoomEvent, type RoomVersionRules } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { FederationClient } from '../../federation/federation-client.js';
import { KeyedQueue } from '../../observability/keyed-queue.js';
import { Log } from '../../observability/log.js';
import type { NewEvent } from '../pipeline/room-commit.js';
import type { RoomDraft } from '../pipeline/room-draft.js';
import type { RoomView } from '../room-view.js';
import { EventStatus } from '../timeline/stored-event.js';
import { isJudged, isPolicy, isSignedBy, POLICY_KEY, type RoomPolicy, policyOf } from './policy-of.js';

/** Requests to one policy server at the same time. */
const AT_ONCE = 8;
const MAX_ANSWER_BYTES = 64 * 1024;

/** Events of a draft, and who has to sign them. */
export interface Unsigned {
  readonly policy: RoomPolicy;
  readonly items: readonly NewEvent[];
}

/**
 * Has the events of rooms judged by the policy servers that these have named (Server-Server, "Policy servers"): those made here before anybody gets
 * them, those of others where they lack the signature.
 */
@Injectable()
export class PolicyServers {
  /** How long who sends an event waits for the answer. */
  timeoutMs = 5_000;
  readonly #queue = new KeyedQueue(AT_ONCE);

  constructor(
    private readonly federation: FederationClient,
    private readonly log: Log,
  ) {}

  /**
   * Events that were made here, and that the room's policy server has to sign before they are stored.
   *
   * @param before the draft before the first of them
   */
  unsigned(before: RoomDraft, draft: RoomDraft): Unsigned | undefined {
    const { rules } = draft.room;
    const policy = draft.created ? undefined : policyOf(draft, draft.room);
    if (!policy) return undefined;
    const items = draft.events.slice(before.events.length).filter((item) =>
      item.isOwn && item.status === EventStatus.accepted && isJudged(item.event, before, rules) && !isSignedBy(item.event, rules, policy));
    return items.length > 0 ? { policy, items } : undefined;
  }

  /**
   * Has them signed.
   *
   * @returns the signed ones by the id of the event; who leaves is not kept by a server that says nothing
   * @throws MatrixError what the policy server answers, 502 when it cannot be reached
   */
  async sign({ policy, items }: Unsigned, rules: RoomVersionRules): Promise<Map<string, RoomEvent>> {
    const signed = await Promise.all(items.map(async ({ event }) => this.#signed(event, rules, policy).catch((error: unknown) => {
      if (!isOwnLeave(event) || !(error instanceof MatrixError)) throw error;
      return event;
    })));
    return new Map(signed.map((event) => [event.eventId, event]));
  }

  /** Events of others with the signature of the room's policy server, where it gives one; in the same order, up to the first that may name another server. */
  prepare(room: RoomView, events: readonly RoomEvent[]): Promise<RoomEvent[]> {
    const end = events.findIndex(isPolicy) + 1 || events.length;
    const first = events.slice(0, end);
    const policy = policyOf(room.state, room);
    if (!policy) return Promise.resolve(first);
    return Promise.all(first.map(async (event) => {
      if (!isJudged(event, room.state, room.rules) || isSignedBy(event, room.rules, policy)) return event;
      return this.#signed(event, room.rules, policy).catch((error: unknown) => {
        if (!(error instanceof MatrixError)) throw error;
        this.log.debug('the policy server did not sign an event', { roomId: room.id, eventId: event.eventId, reason: error.message });
        return event;
      });
    }));
  }

  /** Why an event is not to be shown; null when it may be. */
  objection(draft: RoomDraft, event: RoomEvent): string | null {
    const policy = isJudged(event, draft, draft.room.rules) ? policyOf(draft, draft.room) : undefined;
    return !policy || isSignedBy(event, draft.room.rules, policy) ? null : `${policy.server} has not signed it`;
  }

  async #signed(event: RoomEvent, rules: RoomVersionRules, policy: RoomPolicy): Promise<RoomEvent> {
    const answer = await this.#queue.run(policy.server, () => this.federation.request({
      destination: policy.server, method: 'POST', path: '/_matrix/policy/v1/sign', body: event.json, timeoutMs: this.timeoutMs, maxBytes: MAX_ANSWER_BYTES,
    }));
    const signature = jsonMember(jsonMember(answer as JsonObject, policy.server), POLICY_KEY);
    try {
      const signed = typeof signature === 'string' ? withGivenSignature(event, rules, { name: policy.server, keyId: POLICY_KEY, signature }) : undefined;
      if (signed && isSignedBy(signed, rules, policy)) return signed;
    } catch (error) {
      if (error instanceof EventTooLargeError) throw MatrixError.tooLarge(error.message);
      throw error;
    }
    throw new MatrixError(502, 'M_UNKNOWN', `${policy.server} did not sign the event with the room's key`);
  }
}

function isOwnLeave({ pdu }: RoomEvent): boolean {
  return pdu.type === 'm.room.member' && pdu.state_key === pdu.sender && pdu.content['membership'] === 'leave';
}
