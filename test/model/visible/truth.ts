import type { Json } from '../../network/test-client.js';
import type { LoggedEvent } from './room-log.js';

const MEMBER = 'm.room.member';
const keyOf = (type: string, stateKey: string): string => `${type}|${stateKey}`;

/** State of a room by `type|state_key`. */
export type State = ReadonlyMap<string, LoggedEvent>;

/**
 * What is true of a room whose history is one line: the rules of the specification ("Room history visibility"), written anew from its
 * text. Nothing of the server is asked but which events there are, in which order.
 */
export class Truth {
  /** State after each event. */
  readonly #after: State[] = [];
  readonly #index = new Map<string, number>();
  readonly #ends = new Map<string, number>();

  constructor(readonly log: readonly LoggedEvent[]) {
    let state: State = new Map();
    for (const [i, event] of log.entries()) {
      this.#index.set(event.eventId, i);
      if (event.stateKey !== null) state = new Map(state).set(keyOf(event.type, event.stateKey), event);
      this.#after.push(state);
    }
  }

  get state(): State {
    return this.#after.at(-1) ?? new Map();
  }

  has(eventId: string): boolean {
    return this.#index.has(eventId);
  }

  membership(userId: string, i = this.log.length - 1): string {
    return this.#after[i]?.get(keyOf(MEMBER, userId))?.content.membership ?? 'leave';
  }

  /** Joined members with the record that their member event carries. */
  get joined(): { readonly userId: string; readonly content: Json }[] {
    return [...this.state.values()].filter((event) => event.type === MEMBER && event.content.membership === 'join')
      .map((event) => ({ userId: event.stateKey!, content: event.content }));
  }

  /** Index of the event that ended the last time for which the user was in the room; infinite while he is, negative infinite if he never was. */
  end(userId: string): number {
    const known = this.#ends.get(userId);
    if (known !== undefined) return known;
    let end = -Infinity;
    for (let i = 0; i < this.log.length; i++) {
      if (this.membership(userId, i) === 'join') end = Infinity;
      else if (end === Infinity) end = i;
    }
    this.#ends.set(userId, end);
    return end;
  }

  /** Whether the user may see the event, now that he is in the room or was until `end`. */
  maySee(userId: string, eventId: string): boolean {
    const i = this.#index.get(eventId);
    if (i === undefined) return false;
    const event = this.log[i]!;
    if (event.type === MEMBER && event.stateKey === userId) return true;
    const memberships = [this.membership(userId, i - 1), this.membership(userId, i)];
    if (memberships.includes('join')) return true;
    // Of an event that changes the visibility, before and after count.
    return [i - 1, i].some((at) => {
      const visibility = this.#after[at]?.get(keyOf('m.room.history_visibility', ''))?.content.history_visibility ?? 'shared';
      if (visibility === 'world_readable') return true;
      if (visibility === 'shared') return this.end(userId) > i;
      return visibility === 'invited' && memberships.includes('invite');
    });
  }

  /** State as the user may know it: now, or as it was when he left, with what concerns himself since. */
  stateFor(userId: string): State {
    const end = this.end(userId);
    if (end === Infinity) return this.state;
    const own = this.state.get(keyOf(MEMBER, userId));
    return new Map(this.#after[end] ?? []).set(keyOf(MEMBER, userId), own!);
  }

  /** What a timeline that is whole shows the user. */
  timelineFor(userId: string): readonly LoggedEvent[] {
    const end = this.end(userId);
    return this.log.filter((event, i) => (i <= end || (event.type === MEMBER && event.stateKey === userId)) && this.maySee(userId, event.eventId));
  }

  /** Whether a state event was current at a moment at which the user was in the room: then he may know it, whatever its age. */
  knewAsState(userId: string, event: LoggedEvent): boolean {
    const key = keyOf(event.type, event.stateKey!);
    return this.#after.some((state, i) => state.get(key)?.eventId === event.eventId && this.membership(userId, i) === 'join');
  }

  /** What the user can page through; null where he may not look into the room at all. */
  pagesFor(userId: string): readonly LoggedEvent[] | null {
    const end = this.end(userId);
    const isOpen = this.state.get(keyOf('m.room.history_visibility', ''))?.content.history_visibility === 'world_readable';
    if (end === -Infinity && !isOpen) return null;
    const upTo = end === Infinity || isOpen ? Infinity : end;
    return this.log.filter((event, i) => i <= upTo && this.maySee(userId, event.eventId));
  }

  /** Messages of others since the user came, which is how many are unread when nothing was read. */
  unread(userId: string): number {
    let came = 0;
    for (let i = 1; i < this.log.length; i++) {
      if (this.membership(userId, i) === 'join' && this.membership(userId, i - 1) !== 'join') came = i;
    }
    return this.log.filter((event, i) => i > came && event.type === 'm.room.message' && event.sender !== userId).length;
  }
}
