import { Injectable } from '@nestjs/common';
import type { RoomEvent } from '#federation';
import type { RoomDraft } from '../pipeline/room-draft.js';
import { HomeSignatures } from '../state/home-signatures.js';
import { EventsStore } from '../timeline/events.store.js';
import { EventStatus } from '../timeline/stored-event.js';
import { checkChain } from './check-chain.js';

/** Stores events that were fetched because states or auth chains hold them. */
@Injectable()
export class Outliers {
  constructor(
    private readonly events: EventsStore,
    private readonly signatures: HomeSignatures,
  ) {}

  /**
   * Judges fetched events by their auth events and adds them; those that fail are kept as rejected, so that what builds on
   * them is too. Runs inside the room's queue.
   *
   * @param outliers by the numeric id that each is to have
   * @returns for those that are stored by now, because somebody else told of them too: the id that they have instead
   */
  async add(draft: RoomDraft, outliers: ReadonlyMap<number, RoomEvent>): Promise<ReadonlyMap<number, number>> {
    const aliases = new Map<number, number>();
    if (outliers.size === 0) return aliases;
    const needed = [...outliers.values()].flatMap((event) => event.pdu.auth_events);
    const known = (await this.events.byIds([...new Set(needed)])).filter((stored) => stored.status !== EventStatus.rejected);
    const context = this.signatures.context(draft.room.rules);
    const { valid } = checkChain([...outliers.values()], new Map(known.map((s) => [s.event.eventId, s.event])), draft.room.rules, context);
    const already = new Map((await this.events.byIds([...outliers.values()].map((event) => event.eventId))).map((s) => [s.event.eventId, s.nid]));
    for (const [nid, event] of outliers) {
      const held = already.get(event.eventId) ?? draft.find(event.eventId)?.nid;
      if (held !== undefined) aliases.set(nid, held);
      else draft.addOutlier(event, nid, valid.has(event.eventId) ? EventStatus.outlier : EventStatus.rejected);
    }
    return aliases;
  }
}
