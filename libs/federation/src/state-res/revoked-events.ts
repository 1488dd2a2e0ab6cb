import { isOwnMemberEvent } from '../event-auth/room-facts.js';
import { stateKeyOf, type RoomEvent } from '../events/index.js';
import { genesisHash, highestRecord, isListed, type HomeRecord } from '../home-record/index.js';
import { recordOf } from '../home-record/record-of.js';
import { actingOf, authorisingOf, type Acting } from './acting-homes.js';
import { authChain, authEventOf, standing, type EventLookup } from './event-graph.js';
import { saidToStand } from './said-to-stand.js';
import type { SplitStates, StateMap } from './split-states.js';
import { CitingEvents, standsBesideDrop, type KnowingState } from './stands-beside-drop.js';

/** What is known, in one resolution, of the homes of one bearer of a name. */
interface Bearer {
  readonly highest: HomeRecord;
  /** Member events about the user that carry a record of this genesis. */
  readonly carriers: readonly RoomEvent[];
  /** By home key: the events of that home that the bearer says to stand. */
  readonly said: Map<string, ReadonlySet<string>>;
}

/**
 * Portable rooms (protocol §3, "Resolution"): the events of the full conflicted set that do not count, because their home is
 * in neither list of the highest record of their sender. They are left out before anything is ordered: else a level that the
 * sender had, or a time that the home chose, could bring them before the revocation.
 *
 * What the home had set before its revocation counts. That shows in one of two ways: a member event that revokes the home, by
 * one that still counts, says so (`saidToStand`); or one of the states holds both it, or what rests on it, and a record without the
 * home (`standsBesideDrop`).
 *
 * @param full the events to look at
 * @param known all events that may carry records, `full` among them
 * @param isRefusedWithout whether the rules refuse an event by its auth events where one of them makes way for what it replaced
 */
export function revokedEvents(
  full: ReadonlySet<string>, known: ReadonlySet<string>, split: SplitStates, sets: readonly KnowingState[], lookup: EventLookup,
  isRefusedWithout: (event: RoomEvent, citedId: string) => boolean,
): Set<string> {
  const bearers = new Bearers(known, split, lookup);
  const beside = { citing: new CitingEvents(full, lookup), sets, lookup, isRefusedWithout };
  const stands = (event: RoomEvent, acting: Acting): boolean => bearers.saysItStands(event, acting) || standsBesideDrop(event, acting, beside);
  const revoked = new Set<string>();
  for (const id of full) {
    const event = lookup(id);
    if (!event) continue;
    const sender = actingOf(event, lookup);
    const falls = (acting: Acting): boolean => bearers.revoke(acting) && !stands(event, acting);
    if ([...(sender ? [sender] : []), ...authorisingOf(event, lookup)].some(falls)) revoked.add(id);
  }
  return revoked;
}

/**
 * A state that somebody tells of, without what homes did beside their revocation. That one of the states holds both counts where the
 * state follows from a graph; here it would be the teller's word. Whoever revokes a home cites what the home had set, so that this shows
 * in the auth chains of the told state itself; where nobody else than by the way of a kick has said that the home is revoked, or nobody
 * who knew of it, it stays.
 *
 * @param lookup events of the state and of their auth chains
 */
export function withoutRevoked(state: StateMap, lookup: EventLookup): Map<string, string> {
  const ids = new Set(state.values());
  const bearers = new Bearers(new Set([...ids, ...authChain(ids, lookup)]), { unconflicted: new Map(state), conflicted: new Set() }, lookup);
  const falls = (id: string, acting: Acting): boolean => {
    if (!bearers.revoke(acting)) return false;
    const chains = bearers.chainsRevoking(acting);
    return bearers.isNamedBefore(acting, chains) && !chains.some((chain) => chain.has(id));
  };
  const revoked = new Set([...ids].filter((id) => {
    const event = lookup(id);
    const sender = event && actingOf(event, lookup);
    return event !== undefined && [...(sender ? [sender] : []), ...authorisingOf(event, lookup)].some((acting) => falls(id, acting));
  }));
  return new Map([...state].flatMap(([key, id]) => {
    const left = standing(id, revoked, lookup);
    return left === undefined ? [] : [[key, left] as const];
  }));
}

class Bearers {
  readonly #known = new Map<string, Bearer | undefined>();
  readonly #chains = new Map<RoomEvent, ReadonlySet<string>>();
  readonly #members = new Map<string, RoomEvent[]>();

  constructor(known: ReadonlySet<string>, private readonly split: SplitStates, private readonly lookup: EventLookup) {
    for (const id of known) this.#note(lookup(id));
  }

  /** Whether the home is in neither list of the highest record. */
  revoke(acting: Acting): boolean {
    const highest = this.#bearer(acting)?.highest;
    return highest !== undefined && !isListed(highest, acting.home) && !this.#isOnlySignedApart(acting, highest);
  }

  /** Auth chains of the user's own member events that end the home's say, and are by a home that has one. */
  chainsRevoking(acting: Acting): ReadonlySet<string>[] {
    const bearer = this.#bearer(acting)!;
    return bearer.carriers.filter((event) => {
      const by = isOwnMemberEvent(event.pdu) ? actingOf(event, this.lookup) : undefined;
      return by !== undefined && isListed(bearer.highest, by.home) && !isListed(recordOf(event)!, acting.home);
    }).map((event) => {
      const known = this.#chains.get(event) ?? authChain([event.eventId], this.lookup);
      this.#chains.set(event, known);
      return known;
    });
  }

  /** Whether one of these chains names the home: another device's record, of which whoever revokes did not know, is no home that was dropped. */
  isNamedBefore({ userId, home }: Acting, chains: readonly ReadonlySet<string>[]): boolean {
    return chains.some((chain) => [...chain].some((id) => {
      const event = this.lookup(id);
      const record = event?.pdu.state_key === userId ? recordOf(event) : undefined;
      return record !== undefined && isListed(record, home);
    }));
  }

  /** Whether the user's own member events say that the event stands though its home has gone. */
  saysItStands({ eventId }: RoomEvent, acting: Acting): boolean {
    const bearer = this.#bearer(acting)!;
    const key = acting.home.key;
    const said = bearer.said.get(key) ?? saidToStand(bearer, acting, this.lookup);
    bearer.said.set(key, said);
    return said.has(eventId);
  }

  /**
   * A home that another device added meanwhile, in a record with the number of the highest: nobody dropped it, and it comes back when
   * the two are merged. One that a former record lists was dropped.
   */
  #isOnlySignedApart({ userId, genesis, record, home }: Acting, highest: HomeRecord): boolean {
    if (record.epoch !== highest.epoch || record.seq !== highest.seq) return false;
    const pending = [...(this.#members.get(userId) ?? [])];
    const seen = new Set(pending);
    for (let event = pending.pop(); event; event = pending.pop()) {
      const former = recordOf(event);
      const isFormer = former && genesisHash(former.genesis) === genesis && (former.epoch !== highest.epoch || former.seq < highest.seq);
      if (isFormer && isListed(former, home)) return false;
      const before = authEventOf(event, 'm.room.member', userId, this.lookup);
      if (before && !seen.has(before)) {
        seen.add(before);
        pending.push(before);
      }
    }
    return true;
  }

  #bearer({ userId, genesis }: Acting): Bearer | undefined {
    const key = `${genesis} ${userId}`;
    if (!this.#known.has(key)) {
      const agreed = this.lookup(this.split.unconflicted.get(stateKeyOf('m.room.member', userId)) ?? '');
      const carriers = [...(this.#members.get(userId) ?? []), ...(agreed ? [agreed] : [])].filter((event) => {
        const record = recordOf(event);
        return record !== undefined && genesisHash(record.genesis) === genesis;
      });
      const highest = highestRecord(carriers.map((event) => recordOf(event)!));
      this.#known.set(key, highest && { highest, carriers, said: new Map() });
    }
    return this.#known.get(key);
  }

  #note(event: RoomEvent | undefined): void {
    const { type, state_key: userId } = event?.pdu ?? {};
    if (!event || type !== 'm.room.member' || userId === undefined || !recordOf(event)) return;
    const list = this.#members.get(userId);
    if (list) list.push(event);
    else this.#members.set(userId, [event]);
  }
}
