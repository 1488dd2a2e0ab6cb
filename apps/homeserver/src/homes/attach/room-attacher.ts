import { Injectable } from '@nestjs/common';
import {
  authStateKeys, buildEvent, knownRecord, recordOf, standingEvents, type EventDraft, type JsonObject, type RoomEvent, type RoomVersionRules,
} from '#federation';
import { HomeIdentities } from '../../accounts/identity/home-identities.js';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { atMost } from '../../observability/at-most.js';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { StreamPositions } from '../../storage/stream-positions.js';
import { Backfiller } from '../../rooms/history/backfiller.js';
import { HistoryStore } from '../../rooms/history/history.store.js';
import { LocalMembershipsStore } from '../../rooms/membership/local-memberships.store.js';
import { buildLocalEvent } from '../../rooms/pipeline/build-event.js';
import type { EventSigner } from '../../rooms/pipeline/event-signers.js';
import { RoomArrivals, type ArrivalTurn } from '../../rooms/remote/room-arrivals.js';
import { readAll } from '../../rooms/remote/read-all.js';
import { RoomImporter, type ChainReader } from '../../rooms/remote/room-importer.js';
import { RoomReceiver } from '../../rooms/remote/room-receiver.js';
import { UnspreadEnds } from '../../rooms/remote/unspread-ends.js';
import { RoomRegistry } from '../../rooms/room-registry.js';
import type { Room } from '../../rooms/room.js';
import { HomeSignatures } from '../../rooms/state/home-signatures.js';
import { membershipOf, serversOfMember } from '../../rooms/state/room-state.js';
import { EventsStore } from '../../rooms/timeline/events.store.js';
import { EventStatus } from '../../rooms/timeline/stored-event.js';
import { connectedEnds } from './connected-ends.js';
import type { Brought, Entered } from './entered.js';
import { MAX_ASKED, type Gathered } from './replica-gathering.js';
import { ReplicaRequests, type ReplicaAnswer } from './replica-requests.js';
import { RoomSurvey } from './room-survey.js';

/** Events that this server makes to bind the ends of a room together. */
const MAX_ENTRIES = 10;
/** Replicas whose copies are tried as the one that the others say their differences to. */
const MAX_BASES = 4;
/** The latest events are waited for so long; the rest of them comes when somebody reads it. */
const HISTORY_MS = 5_000;
/** Where the room is here already: how long replicas may take to say what they have before the account is shown in it. */
const ASK_MS = 1_500;

/**
 * Brings rooms of an account to this server, its new home, and says so in the account's name (protocol §3, "Moving in"): upon what
 * all replicas have that can be asked, since one of them may lag or lie.
 */
@Injectable()
export class RoomAttacher {
  constructor(
    private readonly config: Config,
    private readonly identities: HomeIdentities,
    private readonly registry: RoomRegistry,
    private readonly arrivals: RoomArrivals,
    private readonly importer: RoomImporter,
    private readonly receiver: RoomReceiver,
    private readonly backfiller: Backfiller,
    private readonly history: HistoryStore,
    private readonly memberships: LocalMembershipsStore,
    private readonly signatures: HomeSignatures,
    private readonly requests: ReplicaRequests,
    private readonly survey: RoomSurvey,
    private readonly unspread: UnspreadEnds,
    private readonly events: EventsStore,
    private readonly positions: StreamPositions,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /**
   * Idempotent.
   *
   * @param via servers that may hold the room
   * @param seen events that a client of the account has seen, which replicas are chosen by
   * @param told is called with what each replica knows that the account has read
   * @returns the event by which the account entered and the servers it went to; null where it was in the room by this home before
   * @throws MatrixError 404 `M_NOT_FOUND` when no server is known; else the last one's refusal or silence
   */
  async attach(
    userId: string, roomId: string, via: readonly string[], seen: readonly string[] = [], told: (read: ReplicaAnswer['read']) => void = () => undefined,
  ): Promise<Entered | null> {
    const found = await this.arrivals.run(roomId, async (turn) => {
      const late = (await this.#resident(roomId)) ? null : await this.#bring(turn, userId, roomId, via, seen, told);
      return late ? { room: null, late } : { room: (await this.#resident(roomId))!, late: null };
    });
    // Not in the turn, for whose end all that comes for the room waits.
    if (found.room) {
      await atMost(this.#catchUp(userId, roomId, [...via, ...found.room.state.otherServers]), ASK_MS, 0);
      // After that: who brought the room here may have got it from a server that had not heard of this account's join.
      return this.#announce(found.room, userId, false);
    }
    // First: what comes now names what is in it.
    await atMost(this.#fetchHistory(roomId), HISTORY_MS, undefined);
    const room = await this.registry.get(roomId);
    const entered: Entered = { eventId: found.late.entered, servers: room.state.otherServers };
    await this.#catchUp(userId, roomId, found.late.answered);
    if (!found.late.isBound) await this.#announce(room, userId, true);
    void this.#merge(userId, room, found.late.late);
    return entered;
  }

  async #resident(roomId: string): Promise<Room | undefined> {
    const room = await this.registry.find(roomId);
    return room?.state.isResident ? room : undefined;
  }

  /**
   * Enters the room upon what all replicas have that answer soon. Where the copy of which others say their differences lacks something, so
   * do they; then another one's is taken in its place.
   *
   * @returns null when somebody else has brought the room meanwhile
   */
  async #bring(
    turn: ArrivalTurn, userId: string, roomId: string, via: readonly string[], seen: readonly string[], told: (read: ReplicaAnswer['read']) => void,
  ): Promise<Brought | null> {
    const distrusted: string[] = [];
    for (;;) {
      const brought = await this.#bringBy(turn, userId, roomId, via, seen, told, distrusted);
      if (brought !== 'lacking') return brought;
    }
  }

  async #bringBy(
    turn: ArrivalTurn, userId: string, roomId: string, via: readonly string[], seen: readonly string[], told: (read: ReplicaAnswer['read']) => void,
    distrusted: string[],
  ): Promise<Brought | null | 'lacking'> {
    const { record, key } = await this.identities.signer(userId);
    const asked = this.survey.ask(roomId, { userId, record }, via, seen, distrusted);
    const unspread = asked.then((found) => this.unspread.of(roomId, found.gathered.answers.map((answer) => answer.server)));
    const [{ gathered, base, copies, ends }, kept] = await turn.waitFor(Promise.all([asked, unspread]));
    for (const { read } of gathered.answers) told(read);
    if (await this.#resident(roomId)) return null;
    const signer: EventSigner = { name: this.config.serverName, key, record };
    const made = await this.importer.importUnion({
      roomId, rules: base.rules, kept,
      events: copies.flatMap((copy) => [...copy.authChain, ...copy.state]),
      ends: async (proven) => {
        const given = new Map(ends.pdus.map((event) => [event.eventId, event]));
        const good = await proven(ends.pdus);
        const chosen = connectedEnds(ends.replicas.map((replica) => ({ ...replica, ends: replica.ends.filter((id) => good.has(id)) })));
        return chosen.flatMap((id) => ends.states.get(id)!.map((state) => ({ event: given.get(id)!, state })));
      },
      suffices: (whole, lacking) => {
        if (lacking === 0 || distrusted.length >= Math.min(gathered.answers.length, MAX_BASES)) return true;
        // In the second attempt nobody leaves out what the first copy has.
        const isBaseWhole = whole.some((end) => base.ends.some((id) => ends.states.get(id)?.[0] === end.state));
        if (isBaseWhole && distrusted.length > 0) return true;
        distrusted.push(base.server);
        return false;
      },
      make: (state, prev) => this.#entry({ userId, roomId, rules: base.rules, state, prev, signer }),
      destinations: (state) => serversIn(state, base.rules, this.config.serverName),
    });
    if (!made) return 'lacking';
    return { entered: made.at(-1)!.eventId, answered: gathered.answers.map((answer) => answer.server), late: gathered.late, isBound: kept.length === 0 };
  }

  /** The account's member event on these ends of the graph, in the state that they resolve to. */
  #entry({ userId, roomId, rules, state, prev, signer }: {
    userId: string; roomId: string; rules: RoomVersionRules; state: ChainReader; prev: readonly RoomEvent[]; signer: EventSigner;
  }): RoomEvent {
    const current = state.get('m.room.member', userId);
    if (membershipOf(current) !== 'join') throw MatrixError.forbidden('The account is not in this room');
    const draft: EventDraft = {
      type: 'm.room.member', room_id: roomId, sender: userId, state_key: userId, home: signer.name,
      content: carrying(current!.pdu.content, signer),
      origin_server_ts: this.clock.now(),
      prev_events: prev.map((event) => event.eventId),
      depth: Math.min(prev.reduce((depth, event) => Math.max(depth, event.pdu.depth), 0) + 1, Number.MAX_SAFE_INTEGER),
      auth_events: [],
    };
    const cited = authStateKeys(draft, rules).flatMap(([type, stateKey]) => state.get(type, stateKey)?.eventId ?? []);
    const standing = standingEvents(userId, knownRecord(state, userId), signer.record!, state.chain).map((event) => event.eventId);
    draft.auth_events = [...new Set([...cited, ...standing])];
    const event = buildEvent(draft, rules, signer);
    this.signatures.trust(event, signer.name, signer.key.keyId, signer.key.publicKey);
    return event;
  }

  /** The latest events, so that this home can go on where a client left another one. */
  async #fetchHistory(roomId: string): Promise<void> {
    const room = await this.registry.find(roomId);
    const [newest] = room ? await this.history.ofRoom(room.nid) : [];
    if (room && newest) await this.backfiller.fill(room, newest);
  }

  /**
   * For a room that is here already: the account joins others as somebody who lives here, or binds together what has come since.
   *
   * @param isMerge makes the event though it says nothing new
   */
  async #announce(room: Room, userId: string, isMerge: boolean): Promise<Entered | null> {
    const { record, key } = await this.identities.signer(userId);
    const mine = await this.memberships.ofUserInRoom(userId, room.id);
    const signer: EventSigner = { name: this.config.serverName, key, record };
    return room.run((draft) => {
      const current = draft.get('m.room.member', userId);
      if (membershipOf(current) !== 'join') throw MatrixError.forbidden('The account is not in this room');
      const shown = recordOf(current);
      if (isMerge ? draft.extremities.length < 2 : mine?.membership === 'join' && shown?.epoch === record.epoch && shown.seq === record.seq) return null;
      let entered: Entered | null = null;
      for (let i = 0; i < MAX_ENTRIES && (i === 0 || draft.extremities.length > 1); i++) {
        // Not through EventSender, which leaves out what changes nothing: here the event itself makes the membership a local one.
        const event = buildLocalEvent(
          draft,
          { sender: userId, type: 'm.room.member', stateKey: userId, content: carrying(current!.pdu.content, signer), ts: this.clock.now() },
          signer,
          this.signatures.context(room.rules),
        );
        this.signatures.trust(event, signer.name, key.keyId, key.publicKey);
        const servers = draft.destinations(event);
        draft.append({ event, nid: this.positions.nextId('event_nid'), isOwn: true, destinations: servers });
        entered = { eventId: event.eventId, servers };
      }
      return entered;
    });
  }

  /** Replicas that answer later are bound in by another event. Never rejects. */
  async #merge(userId: string, room: Room, late: Gathered['late']): Promise<void> {
    await Promise.all(late.map(async ({ server, answer }) => {
      try {
        const given = await answer;
        if (given && (await this.#receive(server, room.id, given.pdus)) > 0) await this.#announce(room, userId, true);
      } catch (error) {
        this.log.debug('a replica that was late could not be bound in', { server, roomId: room.id, reason: String(error) });
      }
    }));
  }

  /** Events that were sent while the room was on its way here: what others have now and this server has not. @returns how many */
  async #catchUp(userId: string, roomId: string, servers: readonly string[]): Promise<number> {
    const { record } = await this.identities.signer(userId);
    const others = [...new Set(servers)].filter((name) => name !== this.config.serverName).slice(0, MAX_ASKED);
    const taken = await Promise.all(others.map(async (server) => {
      try {
        return await this.#receive(server, roomId, (await this.requests.ends(server, roomId, { userId, record })).pdus);
      } catch (error) {
        this.log.debug('newest events of a room could not be asked for', { server, roomId, reason: String(error) });
        return 0;
      }
    }));
    return taken.reduce((sum, one) => sum + one, 0);
  }

  /** @returns how many of the events were not here before */
  async #receive(server: string, roomId: string, pdus: readonly unknown[]): Promise<number> {
    const room = await this.registry.find(roomId);
    if (!room) return 0;
    const ids = (await readAll(pdus, room.rules, roomId)).map((event) => event.eventId);
    const held = new Set((await this.events.byIds(roomId, ids)).filter((stored) => stored.status !== EventStatus.outlier).map((stored) => stored.event.eventId));
    if (ids.every((id) => held.has(id))) return 0;
    const results = await this.receiver.receive(server, pdus);
    return ids.filter((id) => !held.has(id) && results[id]?.taken).length;
  }
}

/** The member's content as it is, with the newest record; nothing that only a join says. */
function carrying(content: JsonObject, signer: EventSigner): JsonObject {
  const { join_authorised_via_users_server: _authoriser, 'io.partyline.authorised_home': _home, genesis_sha256: _genesis, 'io.partyline.release': _release, ...rest } = content;
  return { ...rest, home_record: signer.record as unknown as JsonObject, 'io.partyline.carries': true };
}

function serversIn(state: readonly RoomEvent[], rules: RoomVersionRules, own: string): string[] {
  const servers = new Set<string>();
  for (const event of state) {
    if (event.pdu.type !== 'm.room.member' || membershipOf(event) !== 'join') continue;
    for (const server of serversOfMember(event, rules)) servers.add(server);
  }
  servers.delete(own);
  return [...servers];
}
