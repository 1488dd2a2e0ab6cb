import { Injectable, type OnApplicationBootstrap, type OnModuleInit } from '@nestjs/common';
import { isJsonObject, isServerName, type JsonObject, type JsonValue, readPdu, roomVersion, type RoomEvent, type RoomVersionRules } from '#federation';
import { parseStoredJson } from '#json';
import { type AccountChange, AccountOps, type RemoteChange } from '../../accounts/account-ops.js';
import { Clock } from '../../observability/clock.js';
import { Database } from '../../storage/database.js';
import { invitationOp } from '../pipeline/invitation-log.js';
import { InvitationsStore } from '../pipeline/invitations.store.js';
import { RoomRegistry } from '../room-registry.js';
import { membershipOf } from '../state/room-state.js';
import { EventsStore } from '../timeline/events.store.js';
import { LocalMembershipsStore } from './local-memberships.store.js';
import { OutsideMemberships } from './outside-memberships.js';

/** As tombstones of operations (protocol §4). */
const ENDED_MEMORY_MS = 90 * 24 * 3_600_000;
/** Stripped events of an invitation that are taken, and bytes of all of them. */
const MAX_STATE = 50;
const MAX_STATE_BYTES = 256 * 1024;
/** As a knock goes to. */
const MAX_SERVERS = 20;

/**
 * Invitations and knocks between the homes of an account (protocol §4, "Invitations"): a set of events, each with its end, which is
 * final whatever comes first. Rooms that this home holds itself say it better.
 */
@Injectable()
export class InvitationReplication implements OnModuleInit, OnApplicationBootstrap {
  constructor(
    private readonly ops: AccountOps,
    private readonly store: InvitationsStore,
    private readonly memberships: LocalMembershipsStore,
    private readonly outside: OutsideMemberships,
    private readonly registry: RoomRegistry,
    private readonly events: EventsStore,
    private readonly db: Database,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.ops.register('invitation', {
      merge: 'own',
      apply: (change) => this.#apply(change),
      snapshot: async (userId) => (await this.store.ofUser(userId)).map(invitationOp).filter((op): op is AccountChange => op !== null),
    });
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.store.forgetEnded(this.clock.now() - ENDED_MEMORY_MS);
  }

  async #apply({ userId, key, value }: RemoteChange): Promise<void> {
    const [roomId, eventId] = twoTexts(key);
    if (roomId === undefined || eventId === undefined) return;
    if (value === null) return this.#end(userId, roomId, eventId);
    const invitation = readInvitation(value, userId);
    if (!invitation || invitation.event.roomId !== roomId || invitation.event.eventId !== eventId) return;
    if (await this.store.hasEnded(userId, eventId)) return;
    if ((await this.registry.find(roomId))?.state.isResident) return;
    const held = await this.memberships.ofUserInRoom(userId, roomId);
    if (held?.membership === 'invite' || held?.membership === 'knock') {
      const [present] = await this.events.byNids([held.eventNid]);
      if (present && !follows(invitation.event, present.event)) return;
    }
    const { event, rules, membership, strippedState, via } = invitation;
    await this.outside.record({ roomId, rules, userId, membership, event, sender: event.pdu.sender, strippedState, via, isReplica: true });
  }

  async #end(userId: string, roomId: string, eventId: string): Promise<void> {
    await this.store.end(this.db, [{ userId, eventId }], this.clock.now());
    if ((await this.registry.find(roomId))?.state.isResident) return;
    const held = await this.memberships.ofUserInRoom(userId, roomId);
    if (held?.membership !== 'invite' && held?.membership !== 'knock') return;
    const [present] = await this.events.byNids([held.eventNid]);
    const rules = present && present.event.eventId === eventId ? await this.#rulesOf(userId, eventId) : undefined;
    if (!rules) return;
    await this.outside.record({
      roomId, rules, userId, membership: 'leave', event: present!.event, sender: userId, strippedState: null, isReplica: true,
    });
  }

  async #rulesOf(userId: string, eventId: string): Promise<RoomVersionRules | undefined> {
    const held = (await this.store.ofUser(userId)).find((one) => one.eventId === eventId);
    return held && roomVersion(held.version);
  }
}

/** Of two invitations to a room the one that is shown, at all homes the same. */
function follows(next: RoomEvent, present: RoomEvent): boolean {
  if (next.pdu.depth !== present.pdu.depth) return next.pdu.depth > present.pdu.depth;
  return next.eventId > present.eventId;
}

function readInvitation(
  value: unknown, userId: string,
): { event: RoomEvent; rules: RoomVersionRules; membership: 'invite' | 'knock'; strippedState: string; via?: string[] | undefined } | undefined {
  try {
    const { room_version: version, event: pdu, stripped_state: state, via } = parseStoredJson(String(value)) as JsonObject;
    const rules = typeof version === 'string' ? roomVersion(version) : undefined;
    if (!rules?.portable || !Array.isArray(state)) return undefined;
    const event = readPdu(pdu, rules);
    const membership = membershipOf(event);
    if (event.pdu.type !== 'm.room.member' || event.pdu.state_key !== userId || (membership !== 'invite' && membership !== 'knock')) return undefined;
    const strippedState = JSON.stringify(state.slice(0, MAX_STATE).filter(isStripped));
    return { event, rules, membership, strippedState: Buffer.byteLength(strippedState) > MAX_STATE_BYTES ? '[]' : strippedState, via: serversOf(via) };
  } catch {
    return undefined;
  }
}

function serversOf(via: JsonValue | undefined): string[] | undefined {
  return Array.isArray(via) ? via.slice(0, MAX_SERVERS).filter((name) => typeof name === 'string' && isServerName(name)) as string[] : undefined;
}

function isStripped(event: JsonValue): boolean {
  if (!isJsonObject(event)) return false;
  const { type, state_key: stateKey, sender, content } = event;
  return typeof type === 'string' && typeof stateKey === 'string' && typeof sender === 'string' && isJsonObject(content);
}

function twoTexts(key: string): [string | undefined, string | undefined] {
  try {
    const [first, second] = parseStoredJson(key) as unknown[];
    return [typeof first === 'string' ? first : undefined, typeof second === 'string' ? second : undefined];
  } catch {
    return [undefined, undefined];
  }
}
