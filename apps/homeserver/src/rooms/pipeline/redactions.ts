import { Injectable } from '@nestjs/common';
import { mayRedact, stateKeyOf, stateOf, type RoomEvent, type RoomVersionRules, type StateReader } from '#federation';
import type { Snapshot } from '../state/snapshot.js';
import { SnapshotsStore } from '../state/snapshots.store.js';
import { EventsStore } from '../timeline/events.store.js';
import type { NewEvent } from './room-commit.js';
import type { RoomDraft } from './room-draft.js';

/**
 * Carries redactions out, of received events and of those made here, of news and of history (Server-Server, "Redactions": both events
 * must be allowed and of one room). Whether one may is judged by the state before it, as everywhere: by the present one a server that hears
 * of it late, when its sender has lost the level, would go on showing what all others hide.
 */
@Injectable()
export class Redactions {
  constructor(
    private readonly events: EventsStore,
    private readonly snapshots: SnapshotsStore,
  ) {}

  /** What a redaction names, where it is an event of the draft's room; events of other rooms are none of its business. */
  async target(draft: RoomDraft, targetId: string): Promise<RoomEvent | undefined> {
    return draft.find(targetId)?.event ?? (await this.events.byId(draft.room.id, targetId))?.event;
  }

  /**
   * Applies an accepted redaction to what it names, or keeps it until that arrives; and applies to an accepted event the redaction that
   * was waiting for it.
   *
   * @param before the state before the event
   */
  async apply(draft: RoomDraft, { event }: NewEvent, before: Snapshot): Promise<void> {
    const targetId = redactsOf(event, draft.room.rules);
    if (targetId !== undefined) {
      const target = await this.target(draft, targetId);
      if (!target) draft.pendingRedactions.push({ targetId, eventId: event.eventId });
      else if (await this.#isAllowed(draft, event, target, before)) draft.redact(target, event);
      return;
    }
    for (const redaction of await this.events.pendingRedactions(draft.room.nid, event.eventId)) {
      const then = draft.beforeOf(redaction.stateNid) ?? (await this.snapshots.load(redaction.stateNid));
      if (await this.#isAllowed(draft, redaction.event, event, then)) draft.redact(event, redaction.event);
    }
  }

  /**
   * Whether a redaction is of no effect because of what it names: then clients are not to see it either (Client-Server,
   * "Redactions"). One whose target is not here yet is not.
   *
   * @param before the state before it
   */
  async isVoid(draft: RoomDraft, event: RoomEvent, before: Snapshot): Promise<boolean> {
    const targetId = redactsOf(event, draft.room.rules);
    if (targetId === undefined) return false;
    const target = await this.target(draft, targetId);
    return target ? !(await this.#isAllowed(draft, event, target, before)) : (await this.events.elsewhere(draft.room.id, [targetId])).size > 0;
  }

  async #isAllowed(draft: RoomDraft, redaction: RoomEvent, target: RoomEvent, before: Snapshot): Promise<boolean> {
    const { rules } = draft.room;
    // For an event of one's own the state does not matter.
    return mayRedact(redaction, target, stateOf([]), rules) || mayRedact(redaction, target, await this.#levelsIn(draft, before, redaction.pdu.sender), rules);
  }

  /** What says which level somebody has. */
  async #levelsIn(draft: RoomDraft, state: Snapshot, userId: string): Promise<StateReader> {
    if (state === draft.snapshot) return draft;
    const wanted = [['m.room.create', ''], ['m.room.power_levels', ''], ['m.room.member', userId]] as const;
    const nids = wanted.flatMap(([type, stateKey]) => state.get(stateKeyOf(type, stateKey)) ?? []);
    const held = draft.events.filter((item) => nids.includes(item.nid));
    const stored = await this.events.byNids(nids.filter((nid) => !held.some((item) => item.nid === nid)));
    return stateOf([...held, ...stored].map((item) => item.event));
  }
}

/** The event id that a redaction names; in `content` since room version 11, and what the other place says is nothing. */
function redactsOf(event: RoomEvent, rules: RoomVersionRules): string | undefined {
  const target = rules.updatedRedaction ? event.pdu.content['redacts'] : event.pdu.redacts;
  return event.pdu.type === 'm.room.redaction' && typeof target === 'string' ? target : undefined;
}
