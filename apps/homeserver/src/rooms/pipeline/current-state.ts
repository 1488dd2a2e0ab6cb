import { Injectable } from '@nestjs/common';
import type { RoomEvent } from '#federation';
import type { StateEntry } from '../state/state-entry.js';
import type { Snapshot } from '../state/snapshot.js';
import { splitStateKey } from '../state/state-key.js';
import { StateResolver } from '../state/state-resolver.js';
import type { StoredEvent } from '../timeline/stored-event.js';
import { endOf } from '../room-view.js';
import type { NewEvent } from './room-commit.js';
import type { RoomDraft } from './room-draft.js';
import { RoomEnds } from './room-ends.js';

/** What accepted events do to a room's ends and to its current state. */
@Injectable()
export class CurrentState {
  constructor(
    private readonly resolver: StateResolver,
    private readonly ends: RoomEnds,
  ) {}

  /**
   * The event becomes an extremity, unless one names it that came before it; the current state follows from all extremities.
   *
   * @param related stored events that are at hand, among them the predecessors
   */
  async advance(
    draft: RoomDraft, added: NewEvent, before: Snapshot, held: ReadonlyMap<number, RoomEvent>, related?: ReadonlyMap<string, StoredEvent>,
  ): Promise<void> {
    const { event, nid } = added;
    const reached = await this.ends.reachedBy(draft, event, related);
    const followsAll = before === draft.snapshot && draft.extremities.every((e) => reached.has(e.eventId));
    const after = draft.after(before, event, nid);
    draft.afters.set(event.eventId, after);
    const others = draft.extremities.filter((e) => !reached.has(e.eventId));
    const isEnd = followsAll || others.length === 0 || !(await this.ends.isNamed(draft, event));
    draft.extremities = isEnd ? [...others, endOf(nid, event, after, draft.room.rules)] : others;
    this.ends.note(draft);
    if (followsAll) {
      draft.follow(added, before);
      return;
    }
    // Messages that were sent at the same time: all branches have the current state.
    if (draft.extremities.every((e) => e.after === draft.snapshot || (e.after.isStored && e.after.nid === draft.snapshot.nid))) return;
    const state = await this.resolver.resolve(draft.room, draft.extremities.map((e) => e.after), new Map([...held, [nid, event]]));
    const changes = draft.snapshot.changesTo(state);
    if (changes.size === 0) return;
    const entries = await this.resolver.entries(draft.room, [...changes.values()].filter((n) => n !== null), new Map([...held, [nid, event]]));
    for (const [key, changedNid] of changes) {
      const [type, stateKey] = splitStateKey(key);
      const entry: StateEntry | null = changedNid === null ? null : (entries.get(changedNid) ?? null);
      draft.change(type, stateKey, entry, added);
    }
    draft.snapshot = draft.extend(draft.snapshot, changes);
  }
}
