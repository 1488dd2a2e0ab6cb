import { Injectable } from '@nestjs/common';
import type { RoomEvent } from '#federation';
import type { RoomDraft } from '../pipeline/room-draft.js';
import { HomeSignatures } from '../state/home-signatures.js';
import { EventsStore } from '../timeline/events.store.js';
import { EventStatus } from '../timeline/stored-event.js';
import { checkChain } from './check-chain.js';

/** What became of fetched events. */
export interface AddedOutliers {
  /** For those that are stored by now, because somebody else told of them too: the numeric id that they have instead. */
  readonly aliases: ReadonlyMap<number, number>;
  /** Numeric ids of those that the rules refuse: they are part of no state. */
  readonly rejected: ReadonlySet<number>;
  /** By event id, those of which nothing was kept since this copy lacks a home's signature, or cites one that does. */
  readonly unsigned: ReadonlyMap<string, number>;
}

/** Stores events that were fetched because states or auth chains hold them. */
@Injectable()
export class Outliers {
  constructor(
    private readonly events: EventsStore,
    private readonly signatures: HomeSignatures,
  ) {}

  /**
   * Judges fetched events by their auth events and adds them; those that fail are kept as rejected, so that what builds on
   * them is too; a copy without its home's signature is not kept, since another copy may have it. Runs inside the room's queue.
   *
   * @param outliers by the numeric id that each is to have
   */
  async add(draft: RoomDraft, outliers: ReadonlyMap<number, RoomEvent>): Promise<AddedOutliers> {
    const aliases = new Map<number, number>();
    const left = new Map<string, number>();
    const rejected = new Set<number>();
    if (outliers.size === 0) return { aliases, rejected, unsigned: left };
    const needed = [...outliers.values()].flatMap((event) => event.pdu.auth_events);
    const known = (await this.events.byIds(draft.room.id, [...new Set(needed)])).filter((stored) => stored.status !== EventStatus.rejected);
    const context = this.signatures.context(draft.room.rules);
    // Since version 12 no event names the create event, and all rest on it.
    const create = draft.get('m.room.create', '');
    const trusted = new Map([...known.map(({ event }) => event), ...(create ? [create] : [])].map((event) => [event.eventId, event]));
    const { valid, unsigned } = await checkChain([...outliers.values()], trusted, draft.room.rules, context);
    const already = new Map((await this.events.byIds(draft.room.id, [...outliers.values()].map((event) => event.eventId))).map((s) => [s.event.eventId, s]));
    for (const [nid, event] of outliers) {
      const held = already.get(event.eventId) ?? draft.find(event.eventId);
      if (held ? held.status === EventStatus.rejected : !valid.has(event.eventId)) rejected.add(nid);
      if (held) aliases.set(nid, held.nid);
      else if (unsigned.has(event.eventId)) left.set(event.eventId, nid);
      else draft.addOutlier(event, nid, valid.has(event.eventId) ? EventStatus.outlier : EventStatus.rejected);
    }
    return { aliases, rejected, unsigned: left };
  }
}
