import { Injectable } from '@nestjs/common';
import { AuthError, checkAuth, stateKeyOf, type RoomEvent, type RoomVersionRules, type StateReader } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { StreamPositions } from '../../storage/stream-positions.js';
import { AskBudget } from '../remote/ask-budget.js';
import { HomeSignatures } from '../state/home-signatures.js';
import type { Snapshot } from '../state/snapshot.js';
import { StateResolver } from '../state/state-resolver.js';
import type { RoomDraft } from './room-draft.js';

const RETRY_MS = 5_000;

/**
 * Whether an event that its past allows is taken beside what is known here, or soft-failed.
 *
 * In portable rooms the current state does not decide alone, which differs from server to server: what it refuses is taken if the
 * state that the room has *with* the event has it, or allows it (protocol §3, "Delivery"). Else a ban whose author has left before
 * it spread would hold at the server that took it and nowhere else, for ever.
 */
@Injectable()
export class BesideCurrent {
  constructor(
    private readonly signatures: HomeSignatures,
    private readonly resolver: StateResolver,
    private readonly positions: StreamPositions,
    private readonly budget: AskBudget,
  ) {}

  /**
   * @param before the state before the event
   * @param held events at hand
   * @param from the server that brought it
   * @returns the rule that refuses it; null when it is taken
   * @throws MatrixError 429 `M_LIMIT_EXCEEDED` when that server has asked too much of this one: to be sent again
   */
  async refusal(
    draft: RoomDraft, event: RoomEvent, before: Snapshot, held: ReadonlyMap<number, RoomEvent>, from: string | undefined,
  ): Promise<string | null> {
    const { rules } = draft.room;
    const reason = this.rule(draft, event, rules);
    if (reason === null || !rules.portable) return reason;
    // A resolution each, and whoever has been banned can go on for ever.
    if (from !== undefined && this.budget.take(from, 1) === 0) {
      throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many events that the current state refuses', { retry_after_ms: RETRY_MS });
    }
    const nid = this.positions.nextId('event_nid');
    const after = before.with(before.changesBy(event, nid, rules));
    const known = new Map([...held, [nid, event]]);
    const state = await this.resolver.resolve(draft.room, [...draft.extremities.map((end) => end.after), after], known);
    const { type, state_key: stateKey } = event.pdu;
    const stands = stateKey !== undefined
      ? state.get(stateKeyOf(type, stateKey)) === nid
      : this.rule(await this.resolver.reader(draft.room, state, known), event, rules) === null;
    return stands ? null : reason;
  }

  /** The rule by which a state does not want an event; null when it does. */
  rule(state: StateReader, event: RoomEvent, rules: RoomVersionRules): string | null {
    try {
      checkAuth(event, state, rules, this.signatures.context(rules), 'beside');
      return null;
    } catch (error) {
      if (error instanceof AuthError) return `${error.rule}: ${error.message}`;
      throw error;
    }
  }
}
