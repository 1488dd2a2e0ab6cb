import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { canonicalJson, homeIn, isJsonObject, recordOf, serverNameOf, type HomeRecord, type JsonObject } from '#federation';
import { parseStoredJson } from '#json';
import { PduOutbox } from '../../federation/outbox/pdu-outbox.js';
import type { Passage, TransactionGate } from '../../federation/outbox/transaction-gate.js';
import { Clock } from '../../observability/clock.js';
import { Memberships } from '../../rooms/membership/memberships.js';
import { RoomRegistry } from '../../rooms/room-registry.js';
import type { Room } from '../../rooms/room.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { HomeConsents, type Consent } from '../records/home-consents.js';
import { HomeRecords } from '../records/home-records.js';
import { versionOfHeard, VERSIONS_MEMBER, type RecordVersion } from '../records/record-version.js';
import { PastMembers } from './past-members.js';
import { roomIdOf } from './room-id-of.js';

const SENDER = /^"sender":"(@[^"\\]+)"/;
/** EDUs that tell something of a user to those who share a room with him. */
const ABOUT_USER: ReadonlySet<string> = new Set(['m.device_list_update', 'm.signing_key_update']);
/** How long an answer about a room and a server stands. */
const REMEMBERED_MS = 60_000;

/**
 * Keeps the traffic of portable rooms from servers that never agreed to be a home (protocol §2): anybody can write another's
 * name into a record. A server gets a room's events if it has agreed to serve one of the members whose records name it.
 */
@Injectable()
export class HomeGate implements TransactionGate, OnApplicationBootstrap {
  readonly #rooms = boundedCache<string, { consent: Consent; until: number }>(50_000);
  /** Servers that have agreed to nothing so far. */
  readonly #suspects = boundedCache<string, true>(10_000);

  constructor(
    private readonly outbox: PduOutbox,
    private readonly registry: RoomRegistry,
    private readonly records: HomeRecords,
    private readonly consents: HomeConsents,
    private readonly past: PastMembers,
    private readonly memberships: Memberships,
    private readonly clock: Clock,
  ) {}

  onApplicationBootstrap(): void {
    this.outbox.guard(this);
    this.records.onChanged(async (_record, _previous, { now, before }) => {
      const dropped = before.filter((home) => !now.some((other) => other.server_name === home.server_name));
      if (dropped.length === 0) return;
      for (const [key] of this.#rooms.entries()) if (dropped.some((home) => key.endsWith(` ${home.server_name}`))) this.#rooms.delete(key);
    });
  }

  async pass(destination: string, pdus: readonly string[], edus: readonly string[]): Promise<Passage> {
    const held = new Set<string>();
    const passing = await passed(pdus, held, (json) => this.#ofPdu(destination, json, pdus));
    if (passing.length > 0) this.#suspects.delete(destination);
    else if (pdus.length > held.size) this.#suspects.set(destination, true);
    const members = await this.#versions(passing);
    if (this.#suspects.has(destination)) return { pdus: passing, edus: [], held, members };
    const passingEdus = await passed(edus, held, (json) => this.#ofEdu(destination, json));
    return { pdus: passing, edus: await this.#withoutStrangers(destination, passingEdus), held, members };
  }

  /** Of presence those people whom the destination may know of: an EDU tells of many, and what is left out is told again by itself. */
  async #withoutStrangers(destination: string, edus: readonly string[]): Promise<string[]> {
    const passing: string[] = [];
    for (const json of edus) {
      if (!json.includes('"edu_type":"m.presence"')) {
        passing.push(json);
        continue;
      }
      const edu = parseStoredJson(json) as { edu_type: string; content: { push?: { user_id: string }[] } };
      const push: object[] = [];
      for (const person of edu.edu_type === 'm.presence' ? (edu.content.push ?? []) : []) {
        if ((await this.#ofPresence(destination, person.user_id)) === 'given') push.push(person);
      }
      if (edu.edu_type !== 'm.presence') passing.push(json);
      else if (push.length > 0) passing.push(canonicalJson({ ...edu, content: { push } }));
    }
    return passing;
  }

  /** Which records the senders have, so that whoever is behind notices. */
  async #versions(pdus: readonly string[]): Promise<Record<string, string>> {
    const versions: Record<string, RecordVersion> = {};
    for (const json of pdus) {
      const sender = SENDER.exec(json.slice(json.lastIndexOf('"sender":"')))?.[1];
      const heard = sender === undefined || Object.hasOwn(versions, sender) ? undefined : await this.records.heard(sender);
      if (heard) versions[heard.record.user_id] = versionOfHeard(heard);
    }
    return Object.keys(versions).length === 0 ? {} : { [VERSIONS_MEMBER]: JSON.stringify(Object.fromEntries(Object.entries(versions).sort(([x], [y]) => (x < y ? -1 : 1)))) };
  }

  async #ofEdu(destination: string, json: string): Promise<Consent> {
    const { edu_type: type, content } = parseStoredJson(json) as { edu_type: string; content: JsonObject };
    if (type === 'm.typing') return this.#ofRooms(destination, [String(content['room_id'])]);
    if (type === 'm.receipt') return this.#ofRooms(destination, Object.keys(content));
    if (ABOUT_USER.has(type)) return this.#ofSharers(destination, String(content['user_id']));
    return type === 'm.direct_to_device' && isJsonObject(content['messages']) ? this.#ofMessages(destination, content['messages']) : 'given';
  }

  /** What the server may know of a user here for a room in common: one in which it acts for somebody who has not dropped it. */
  async #ofSharers(destination: string, userId: string): Promise<Consent> {
    let best: Consent = 'refused';
    for (const [roomId, { membership }] of await this.memberships.roomsOf(userId)) {
      const room = membership === 'join' ? await this.registry.find(roomId) : undefined;
      if (!room?.state.hasServer(destination)) continue;
      const consent = room.rules.portable ? await this.#ofRoom(destination, room) : 'given';
      if (consent === 'given') return consent;
      if (consent === 'unknown') best = consent;
    }
    return best;
  }

  /** Homes of an account are told without a room. */
  async #ofPresence(destination: string, userId: string): Promise<Consent> {
    const record = (await this.records.isHome(userId, destination)) ? await this.records.get(userId) : undefined;
    const asHome = record ? await this.#ofRecords(destination, [record]) : 'refused';
    return asHome === 'given' ? asHome : this.#ofSharers(destination, userId);
  }

  async #ofRooms(destination: string, roomIds: readonly string[]): Promise<Consent> {
    for (const roomId of roomIds) {
      const room = await this.registry.find(roomId);
      const consent = room?.rules.portable ? await this.#ofRoom(destination, room) : 'given';
      if (consent !== 'given') return consent;
    }
    return 'given';
  }

  /** Messages to devices go to the homes of their recipients, whether they share a room or not. */
  async #ofMessages(destination: string, messages: JsonObject): Promise<Consent> {
    const records: HomeRecord[] = [];
    for (const userId of Object.keys(messages)) {
      const record = await this.records.get(userId);
      if (!record) return 'given';
      if (await this.records.isHome(userId, destination)) records.push(record);
    }
    return this.#ofRecords(destination, records);
  }

  /** @param others what is sent with it: who was in the room when they were made is looked up for all at once */
  async #ofPdu(destination: string, json: string, others: readonly string[]): Promise<Consent> {
    const roomId = roomIdOf(json);
    const room = roomId === undefined ? undefined : await this.registry.find(roomId);
    if (!room?.rules.portable) return 'given';
    const consent = await this.#ofRoom(destination, room);
    if (consent === 'given' || isAboutUserOf(json, destination)) return 'given';
    // Who is thrown out or brought in is told by the event itself, which carries the record.
    const carrying = await this.#ofRecords(destination, [...membersAt(room, destination), ...carried(json, destination)]);
    if (carrying === 'given') return carrying;
    const same = others.filter((other) => roomIdOf(other) === roomId);
    const then = (await this.past.naming(room, same, destination)).get(json) ?? [];
    const past = await this.#ofRecords(destination, then);
    return past === 'refused' ? carrying : past;
  }

  async #ofRoom(destination: string, room: Room): Promise<Consent> {
    const cacheKey = `${room.id} ${destination}`;
    const known = this.#rooms.get(cacheKey);
    if (known && known.until > this.clock.steady()) return known.consent;
    const consent = await this.#ofRecords(destination, membersAt(room, destination));
    if (consent !== 'unknown') this.#rooms.set(cacheKey, { consent, until: this.clock.steady() + REMEMBERED_MS });
    return consent;
  }

  /**
   * Of the records whose account has not dropped the server: a room may not have heard yet. All are looked at, since whoever fills a room
   * with members that name the server in vain would else keep it from those who live there; what was refused is remembered.
   */
  async #ofRecords(destination: string, records: Iterable<HomeRecord>): Promise<Consent> {
    let best: Consent = 'refused';
    for (const record of records) {
      const consent = await this.consents.of(record, destination);
      if (consent === 'refused' || (await this.records.hasDropped(record.user_id, destination, record))) continue;
      if (consent === 'given') return consent;
      if (consent === 'unknown') best = consent;
    }
    return best;
  }
}

/** Those that the destination may get. @param held gets those of which that cannot be told now */
async function passed(texts: readonly string[], held: Set<string>, ask: (json: string) => Promise<Consent>): Promise<string[]> {
  const passing: string[] = [];
  for (const json of texts) {
    const consent = await ask(json);
    if (consent === 'unknown') held.add(json);
    if (consent === 'given') passing.push(json);
  }
  return passing;
}

/** Records of joined members that name the server. */
function membersAt(room: Room, server: string): HomeRecord[] {
  if (!room.state.hasServer(server)) return [];
  return [...room.state.joined].flatMap((userId) => {
    const record = recordOf(room.state.get('m.room.member', userId));
    return record && homeIn(record, server) ? [record] : [];
  });
}

/** The end of an invitation goes to the server that took it for its account; the room has no record of the account yet. */
function isAboutUserOf(json: string, server: string): boolean {
  if (!json.includes('"m.room.member"')) return false;
  const { type, state_key: stateKey } = parseStoredJson(json) as { type?: unknown; state_key?: unknown };
  return type === 'm.room.member' && typeof stateKey === 'string' && serverNameOf(stateKey) === server;
}

function carried(json: string, server: string): HomeRecord[] {
  if (!json.includes('"home_record"') || !json.includes(JSON.stringify(server))) return [];
  const { content } = parseStoredJson(json) as { content?: { home_record?: HomeRecord } };
  return content?.home_record ? [content.home_record] : [];
}
