import { Injectable } from '@nestjs/common';
import {
  authStateKeys, buildEvent, recordOf, roomVersion, stateKeyOf, type EventDraft, type JsonObject, type RoomEvent, type RoomVersionRules,
} from '#federation';
import { HomeIdentities } from '../../accounts/identity/home-identities.js';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { FederationClient, federationPath } from '../../federation/federation-client.js';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { StreamPositions } from '../../storage/stream-positions.js';
import { Backfiller } from '../../rooms/history/backfiller.js';
import { HistoryStore } from '../../rooms/history/history.store.js';
import { LocalMembershipsStore } from '../../rooms/membership/local-memberships.store.js';
import { buildLocalEvent } from '../../rooms/pipeline/build-event.js';
import type { EventSigner } from '../../rooms/pipeline/event-signers.js';
import { RoomArrivals } from '../../rooms/remote/room-arrivals.js';
import { RoomImporter, readAll } from '../../rooms/remote/room-importer.js';
import { RoomReceiver } from '../../rooms/remote/room-receiver.js';
import { RoomRegistry } from '../../rooms/room-registry.js';
import type { Room } from '../../rooms/room.js';
import { HomeSignatures } from '../../rooms/state/home-signatures.js';
import { membershipOf, serversOfMember } from '../../rooms/state/room-state.js';

const MAX_VIA = 10;
/** State of a room with many thousands of members. */
const MAX_COPY_BYTES = 256 * 1024 * 1024;
const COPY_TIMEOUT_MS = 120_000;
const ENDS_TIMEOUT_MS = 10_000;
const MAX_PREV_EVENTS = 10;

interface CopyAnswer {
  readonly room_version?: unknown;
  readonly ends?: unknown;
  readonly pdus?: unknown;
  readonly state?: unknown;
  readonly auth_chain?: unknown;
}

interface Place {
  readonly eventId: string;
  readonly depth: number;
}

/** Brings rooms of an account to this server, its new home, through any replica, and says so in the account's name. */
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
    private readonly federation: FederationClient,
    private readonly positions: StreamPositions,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /**
   * Idempotent.
   *
   * @param via servers that may hold the room
   * @throws MatrixError 404 `M_NOT_FOUND` when no server is known; else the last one's refusal or silence
   */
  async attach(userId: string, roomId: string, via: readonly string[]): Promise<void> {
    const { servers, held } = await this.arrivals.run(roomId, async () => {
      const room = await this.registry.find(roomId);
      if (room?.state.isResident) return { servers: [...via, ...room.state.otherServers], held: room };
      return { servers: await this.#bring(userId, roomId, via), held: null };
    });
    // Not in the turn, for whose end all that comes for the room waits.
    if (!held) await this.#fetchHistory(roomId);
    await this.#catchUp(userId, roomId, servers);
    // After that: who brought the room here may have got it from a server that had not heard of this account's join.
    if (held) await this.#announce(held, userId);
  }

  /** @returns the other servers in the room */
  async #bring(userId: string, roomId: string, via: readonly string[]): Promise<string[]> {
    let failure: unknown = MatrixError.notFound('No server is known that holds the room');
    for (const server of via.filter((name) => name !== this.config.serverName).slice(0, MAX_VIA)) {
      try {
        return await this.#attachThrough(server, userId, roomId);
      } catch (error) {
        if (!(error instanceof MatrixError)) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  async #attachThrough(server: string, userId: string, roomId: string): Promise<string[]> {
    const { record, key } = await this.identities.signer(userId);
    const answer = await this.#ask(server, roomId, { user_id: userId, record }, COPY_TIMEOUT_MS);
    const rules = typeof answer.room_version === 'string' ? roomVersion(answer.room_version) : undefined;
    if (!rules?.portable || !Array.isArray(answer.state) || !Array.isArray(answer.auth_chain)) {
      throw MatrixError.unknown(502, `${server} gave no copy of a portable room`);
    }
    const state = readAll(answer.state, rules, roomId);
    const signer = { name: this.config.serverName, key, record };
    const event = this.#memberEvent({ userId, roomId, rules, state, ends: readEnds(answer.ends), signer });
    const servers = serversIn(state, rules, this.config.serverName);
    await this.importer.import({ roomId, rules, state: answer.state, authChain: answer.auth_chain, event, destinations: servers });
    return servers;
  }

  /** The latest events, so that this home can go on where a client left another one. */
  async #fetchHistory(roomId: string): Promise<void> {
    const room = await this.registry.find(roomId);
    const [newest] = room ? await this.history.ofRoom(room.nid) : [];
    if (room && newest) await this.backfiller.fill(room, newest);
  }

  #memberEvent(input: {
    userId: string; roomId: string; rules: RoomVersionRules; state: readonly RoomEvent[]; ends: readonly Place[]; signer: EventSigner;
  }): RoomEvent {
    const { userId, roomId, rules, state, ends, signer } = input;
    const byKey = new Map(state.map((event) => [stateKeyOf(event.pdu.type, event.pdu.state_key ?? ''), event]));
    const current = byKey.get(stateKeyOf('m.room.member', userId));
    if (membershipOf(current) !== 'join') throw MatrixError.forbidden('The account is not in this room');
    const newestFirst = [...ends].sort((a, b) => b.depth - a.depth).slice(0, MAX_PREV_EVENTS);
    const draft: EventDraft = {
      type: 'm.room.member', room_id: roomId, sender: userId, state_key: userId, home: signer.name,
      content: withRecord(current!.pdu.content, signer),
      origin_server_ts: this.clock.now(),
      prev_events: newestFirst.map((end) => end.eventId),
      depth: Math.min((newestFirst[0]?.depth ?? 0) + 1, Number.MAX_SAFE_INTEGER),
      auth_events: [],
    };
    draft.auth_events = authStateKeys(draft, rules).flatMap(([type, stateKey]) => byKey.get(stateKeyOf(type, stateKey))?.eventId ?? []);
    const event = buildEvent(draft, rules, signer);
    this.signatures.trust(event, signer.name, signer.key.keyId, signer.key.publicKey);
    return event;
  }

  /** For a room that is here already because of others: the account joins them as somebody who lives here. */
  async #announce(room: Room, userId: string): Promise<void> {
    const { record, key } = await this.identities.signer(userId);
    const mine = await this.memberships.ofUserInRoom(userId, room.id);
    const signer: EventSigner = { name: this.config.serverName, key, record };
    await room.run((draft) => {
      const current = draft.get('m.room.member', userId);
      if (membershipOf(current) !== 'join') throw MatrixError.forbidden('The account is not in this room');
      const shown = recordOf(current);
      if (mine?.membership === 'join' && shown?.epoch === record.epoch && shown.seq === record.seq) return;
      // Not through EventSender, which leaves out what changes nothing: here the event itself makes the membership a local one.
      const event = buildLocalEvent(
        draft,
        { sender: userId, type: 'm.room.member', stateKey: userId, content: withRecord(current!.pdu.content, signer), ts: this.clock.now() },
        signer,
        this.signatures.context(room.rules),
      );
      this.signatures.trust(event, signer.name, key.keyId, key.publicKey);
      draft.append({ event, nid: this.positions.nextId('event_nid'), isOwn: true, destinations: draft.destinations(event) });
    });
  }

  /** Events that were sent while the room was on its way here: what others have now and this server has not. */
  async #catchUp(userId: string, roomId: string, servers: readonly string[]): Promise<void> {
    const others = [...new Set(servers)].filter((name) => name !== this.config.serverName).slice(0, MAX_VIA);
    await Promise.all(others.map(async (server) => {
      try {
        const answer = await this.#ask(server, roomId, { user_id: userId, ends_only: true }, ENDS_TIMEOUT_MS);
        if (Array.isArray(answer.pdus)) await this.receiver.receive(server, answer.pdus);
      } catch (error) {
        this.log.debug('newest events of a room could not be asked for', { server, roomId, reason: String(error) });
      }
    }));
  }

  #ask(server: string, roomId: string, body: object, timeoutMs: number): Promise<CopyAnswer> {
    return this.federation.request<CopyAnswer & Record<string, unknown>>({
      destination: server,
      method: 'POST',
      path: federationPath`/_matrix/federation/unstable/io.partyline/attach/${roomId}`,
      body, timeoutMs, maxBytes: MAX_COPY_BYTES,
    });
  }
}

/** The member's content as it is, with the newest record. */
function withRecord(content: JsonObject, signer: EventSigner): JsonObject {
  return { ...content, home_record: signer.record as unknown as JsonObject };
}

function readEnds(value: unknown): Place[] {
  if (!Array.isArray(value)) return [];
  return (value as { event_id?: unknown; depth?: unknown }[]).slice(0, 100).flatMap((end) =>
    typeof end?.event_id === 'string' && Number.isSafeInteger(end.depth) ? [{ eventId: end.event_id, depth: end.depth as number }] : []);
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
