import { stateKeyOf, type RoomEvent } from '../events/index.js';
import { genesisHash, isListed } from '../home-record/index.js';
import { recordOf } from '../home-record/record-of.js';
import type { Acting } from './acting-homes.js';
import { stateKeyOfEvent, type EventLookup } from './event-graph.js';
import type { KnownInState } from './known-records.js';
import type { StateMap } from './split-states.js';

/** A state, and what it knows beyond what it shows. */
export interface KnowingState {
  readonly state: StateMap;
  readonly beyond: KnownInState;
}

/**
 * Portable rooms (protocol §3, "Resolution"): whether one of the states holds, beside a record without the home, the event or one that
 * rests on it, which the rules refuse by its auth events where this one makes way for what it replaced. Behind such a record it would have
 * been refused; so it stood when the two met.
 */
export function standsBesideDrop(event: RoomEvent, acting: Acting, { citing, sets, lookup, isRefusedWithout }: {
  citing: CitingEvents; sets: readonly KnowingState[]; lookup: EventLookup; isRefusedWithout: (event: RoomEvent, citedId: string) => boolean;
}): boolean {
  const memberKey = stateKeyOf('m.room.member', acting.userId);
  const key = stateKeyOfEvent(event)!;
  if (key === memberKey) return false;
  const knowing = sets.filter(({ state, beyond }) => [beyond.get(acting.userId), state.get(memberKey)].some((id) => {
    const record = recordOf(lookup(id ?? ''));
    return record !== undefined && genesisHash(record.genesis) === acting.genesis && !isListed(record, acting.home);
  }));
  if (knowing.some(({ state }) => state.get(key) === event.eventId)) return true;
  if (knowing.length === 0) return false;
  return citing.of(event.eventId).some((other) => {
    const its = stateKeyOfEvent(other);
    return its !== undefined && knowing.some(({ state }) => state.get(its) === other.eventId) && isRefusedWithout(other, event.eventId);
  });
}

/** Which events of the full conflicted set cite which others; looked for when it is first asked. */
export class CitingEvents {
  #citing: Map<string, RoomEvent[]> | undefined;

  constructor(private readonly full: ReadonlySet<string>, private readonly lookup: EventLookup) {}

  of(id: string): readonly RoomEvent[] {
    this.#citing ??= this.#find();
    return this.#citing.get(id) ?? [];
  }

  #find(): Map<string, RoomEvent[]> {
    const citing = new Map<string, RoomEvent[]>();
    for (const id of this.full) {
      const event = this.lookup(id);
      for (const cited of event?.pdu.auth_events ?? []) {
        const others = citing.get(cited);
        if (others) others.push(event!);
        else citing.set(cited, [event!]);
      }
    }
    return citing;
  }
}
