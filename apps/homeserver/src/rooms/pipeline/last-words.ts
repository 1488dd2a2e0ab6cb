import { Injectable } from '@nestjs/common';
import { recordOf, type RoomEvent } from '#federation';
import { HomeSignatures } from '../state/home-signatures.js';
import { SnapshotsStore } from '../state/snapshots.store.js';
import { EventsStore } from '../timeline/events.store.js';
import { EventStatus, type StoredEvent } from '../timeline/stored-event.js';
import { BesideCurrent } from './beside-current.js';
import { CurrentState } from './current-state.js';
import { noteMissing } from './note-missing.js';
import { Redactions } from './redactions.js';
import type { RoomDraft } from './room-draft.js';
import { Twins } from './twins.js';

/** Events that one event can bring to be shown; more are brought by the next. */
const MAX_VOUCHED = 500;

/**
 * What a home did beside the record that retired it (protocol §3, "Delivery"). Its word alone is not enough: it may have been
 * taken over since. Somebody else's is, who has accepted the event: a server that delivers it, or an event that builds on it.
 * None of this is a matter of the state, which takes part in what is built upon whoever brought it.
 */
@Injectable()
export class LastWords {
  constructor(
    private readonly signatures: HomeSignatures,
    private readonly events: EventsStore,
    private readonly snapshots: SnapshotsStore,
    private readonly currentState: CurrentState,
    private readonly twins: Twins,
    private readonly redactions: Redactions,
    private readonly beside: BesideCurrent,
  ) {}

  /** Why an event is not shown on the word of who brought it; null when it is. */
  holdsBack(draft: RoomDraft, event: RoomEvent, from: string | undefined): string | null {
    if (from === undefined || from !== event.pdu.home || !this.#isOfRetiredHome(draft, event)) return null;
    return 'its home has been retired: another server has to bring it';
  }

  /**
   * Shows those of these events that were held back, and what they build on, oldest first. To be called before the event that
   * vouches for them is added.
   *
   * @param related stored events that are at hand
   */
  async vouch(draft: RoomDraft, eventIds: readonly string[], related?: ReadonlyMap<string, StoredEvent>): Promise<void> {
    if (!draft.room.rules.portable) return;
    const found: { nid: number; event: RoomEvent; depth: number; stateNid: number | null }[] = [];
    const seen = new Set<string>();
    for (let level = [...eventIds]; level.length > 0 && found.length < MAX_VOUCHED; ) {
      const fresh = [...new Set(level)].filter((id) => !seen.has(id));
      for (const id of fresh) seen.add(id);
      const items = [
        ...draft.events.filter((item) => fresh.includes(item.event.eventId)),
        ...(related && found.length === 0
          ? fresh.flatMap((id) => related.get(id) ?? [])
          : await this.events.byIds(draft.room.id, fresh.filter((id) => !draft.find(id)))),
      ].filter((item) => item.status === EventStatus.softFailed && this.#isOfRetiredHome(draft, item.event));
      found.push(...items.map(({ nid, event, stateNid }) => ({ nid, event, depth: event.pdu.depth, stateNid })));
      level = items.flatMap((item) => item.event.pdu.prev_events);
    }
    for (const item of found.sort((a, b) => a.depth - b.depth)) {
      if (this.beside.rule(draft, item.event, draft.room.rules) === null) await this.show(draft, item);
    }
  }

  /** Shows an event that was not, at the end of the timeline, unless its twin is there. */
  async show(draft: RoomDraft, { nid, event, stateNid }: { nid: number; event: RoomEvent; stateNid: number | null }): Promise<void> {
    if ((await this.twins.of(draft, event)) !== null) return;
    const inDraft = draft.find(event.eventId);
    const before = draft.beforeOf(stateNid) ?? (await this.snapshots.load(stateNid));
    const held = new Map(draft.events.map((item) => [item.nid, item.event]));
    draft.events = draft.events.filter((item) => item !== inDraft);
    const added = draft.add({
      event, nid, before, status: EventStatus.accepted, txn: this.twins.keyOf(draft, event), wasOutlier: inDraft?.wasOutlier ?? true,
    });
    noteMissing(draft, added, new Map((await this.events.byIds(draft.room.id, event.pdu.prev_events)).map((item) => [item.event.eventId, item])));
    await this.currentState.advance(draft, added, before, held);
    await this.redactions.apply(draft, added, before);
  }

  #isOfRetiredHome(draft: RoomDraft, event: RoomEvent): boolean {
    const { rules } = draft.room;
    const { home, sender } = event.pdu;
    const record = rules.portable && typeof home === 'string' ? recordOf(draft.get('m.room.member', sender)) : undefined;
    if (!record) return false;
    const context = this.signatures.context(rules);
    const isBy = ({ server_name: name, key_id: keyId, key }: { server_name: string; key_id: string; key: string }): boolean =>
      name === home && context.verifyHomeSignature(event, name, keyId, key);
    return !record.homes.some(isBy) && (record.retired ?? []).some(isBy);
  }
}
