import { Injectable } from '@nestjs/common';
import { knownRecord, mayEndSay, type HomeRecord, type JsonObject, type RoomEvent } from '#federation';
import { Profiles } from '../../accounts/profiles.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Clock } from '../../observability/clock.js';
import { EventSender } from '../pipeline/event-sender.js';
import { EventSigners } from '../pipeline/event-signers.js';
import { RoomRegistry } from '../room-registry.js';
import type { Room } from '../room.js';
import { membershipOf } from '../state/room-state.js';
import { EventsStore } from '../timeline/events.store.js';
import { LocalMembershipsStore, type RoomMembership } from './local-memberships.store.js';
import { memberContent, type MemberTerms } from './member-content.js';
import { RemoteLeaver } from './remote-leaver.js';
import { shownProfile } from './shown-profile.js';

export interface MemberChange {
  readonly roomId: string;
  readonly sender: string;
  readonly target: string;
  readonly reason?: string;
  /** Portable rooms: the name is freed from its genesis by the kick; false takes that back (protocol §3 rule 6). */
  readonly release?: boolean;
}

/** Leaving, kicking, banning and unbanning, and changes of one's own member event. Joining: joiner.ts; inviting: inviter.ts. */
@Injectable()
export class MemberChanges {
  constructor(
    private readonly registry: RoomRegistry,
    private readonly signers: EventSigners,
    private readonly sender: EventSender,
    private readonly memberships: LocalMembershipsStore,
    private readonly remoteLeaver: RemoteLeaver,
    private readonly profiles: Profiles,
    private readonly events: EventsStore,
    private readonly clock: Clock,
  ) {}

  /** Leaves a room or rejects an invitation; nothing happens when the user has left already. */
  async leave(change: Omit<MemberChange, 'target'>): Promise<void> {
    const { roomId, sender } = change;
    const mine = await this.memberships.ofUserInRoom(sender, roomId);
    if (!mine) throw MatrixError.forbidden('You are not in this room');
    if (mine.membership === 'leave') return;
    const room = await this.registry.find(roomId);
    if (!room || !room.state.isResident || (await this.#isOutside(room, mine, sender))) {
      await this.remoteLeaver.leave(sender, roomId, mine, change.reason);
      return;
    }
    await this.#set({ ...change, target: sender }, 'leave', ['join', 'invite', 'knock']);
  }

  /** Whether an invitation or a knock went through another server, so that this one does not hold it. */
  async #isOutside(room: Room, mine: RoomMembership, userId: string): Promise<boolean> {
    const held = (): string | undefined => membershipOf(room.state.get('m.room.member', userId));
    if (held() === mine.membership) return false;
    // It may also be that it has changed since it was read: between two commits they are of one moment.
    return room.run(async () => (await this.memberships.ofUserInRoom(userId, room.id))?.membership !== held());
  }

  /** @throws 403 `M_FORBIDDEN`, also when the target is not in the room */
  kick(change: MemberChange): Promise<void> {
    const from = change.release === undefined ? ['join', 'invite', 'knock'] : null;
    return this.#set(change, 'leave', from, 'The user is not in this room');
  }

  ban(change: MemberChange): Promise<void> {
    return this.#set(change, 'ban', null);
  }

  unban(change: MemberChange): Promise<void> {
    return this.#set(change, 'leave', ['ban'], 'The user is not banned');
  }

  /** A member event about oneself with other content (a profile for this room, a new home record), while joined. */
  async update(roomId: string, userId: string, content: JsonObject, terms: MemberTerms = {}): Promise<string> {
    const room = await this.registry.get(roomId);
    const signer = await this.signers.of(userId, room.rules);
    const restsOn = await this.#restsOn(room, userId, signer.record);
    return room.run((draft) => {
      if (membershipOf(draft.get('m.room.member', userId)) !== 'join') throw MatrixError.forbidden('You are not in this room');
      const full = memberContent(draft, userId, userId, 'join', signer.record, content, terms);
      return this.sender.appendTo(
        draft, { sender: userId, type: 'm.room.member', stateKey: userId, content: full, ts: this.clock.now(), restsOn }, signer,
      ).eventId;
    });
  }

  /** Shows the account's profile, and in portable rooms its newest home record, in a room that it is joined to. */
  async refresh(roomId: string, userId: string): Promise<void> {
    const room = await this.registry.get(roomId);
    const present = room.state.get('m.room.member', userId)?.pdu.content ?? {};
    const { displayname: _name, avatar_url: _avatar, ...rest } = present;
    try {
      await this.update(roomId, userId, { ...rest, ...shownProfile((await this.profiles.get(userId)) as JsonObject) }, { carries: true });
    } catch (error) {
      // A policy server has a say in the name, not in the record.
      if (!(error instanceof MatrixError) || !room.rules.portable) throw error;
      await this.update(roomId, userId, present, { carries: true });
      throw error;
    }
  }

  /** Says again that somebody is joined, upon all ends of the graph; nothing where there is one only. Whoever is joined may, whatever the levels. */
  async bind(roomId: string, userId: string): Promise<void> {
    const room = await this.registry.get(roomId);
    const signer = await this.signers.of(userId, room.rules);
    const restsOn = await this.#restsOn(room, userId, signer.record);
    await room.run((draft) => {
      const current = draft.get('m.room.member', userId);
      if (draft.extremities.length < 2) return;
      if (membershipOf(current) !== 'join') throw MatrixError.forbidden('You are not in this room');
      const content = memberContent(draft, userId, userId, 'join', signer.record, current!.pdu.content, { carries: true });
      this.sender.appendTo(draft, { sender: userId, type: 'm.room.member', stateKey: userId, content, ts: this.clock.now(), restsOn, isRepeat: true }, signer);
    });
  }

  /** What the state rests on, where the member's new record revokes homes: what these have set is cited, so that it stands. */
  async #restsOn(room: Room, userId: string, record: HomeRecord | null): Promise<RoomEvent[]> {
    const current = record && knownRecord(room.state, userId);
    const state = new Map([...room.state.entries()].map(([, { event }]) => [event.eventId, event]));
    if (!current || !mayEndSay(userId, current, record, state.values())) return [];
    const chain = await this.events.authChain(room.id, state.values(), state);
    return [...chain.values()].map((item) => ('nid' in item ? item.event : item));
  }

  async #set(
    change: MemberChange, membership: 'leave' | 'ban', from: readonly string[] | null, otherwise?: string,
  ): Promise<void> {
    const { roomId, sender, target, reason, release } = change;
    const room = await this.registry.find(roomId);
    if (!room) throw MatrixError.forbidden('You are not in this room');
    const signer = await this.signers.of(sender, room.rules);
    await room.run((draft) => {
      const current = membershipOf(draft.get('m.room.member', target)) ?? 'leave';
      if (from && !from.includes(current)) {
        if (otherwise === undefined) return;
        throw MatrixError.forbidden(otherwise);
      }
      const content = memberContent(draft, sender, target, membership, signer.record, reason === undefined ? {} : { reason }, release === undefined ? {} : { release });
      this.sender.appendTo(draft, { sender, type: 'm.room.member', stateKey: target, content, ts: this.clock.now() }, signer);
    });
  }
}
