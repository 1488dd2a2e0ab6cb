import { Injectable } from '@nestjs/common';
import { type JsonValue, PduFormatError, readPdu, recordOf, referencedIds, roomVersion, type RoomEvent, type RoomVersionRules } from '#federation';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { AccountServers } from '../../accounts/account-servers.js';
import type { PduResults } from '../../federation/pdu-receiver.js';
import { LocalMembershipsStore, type RoomMembership } from '../membership/local-memberships.store.js';
import { OutsideMemberships } from '../membership/outside-memberships.js';
import { RoomsStore } from '../rooms.store.js';
import { HomeSignatures } from '../state/home-signatures.js';
import { membershipOf } from '../state/room-state.js';
import { EventsStore } from '../timeline/events.store.js';
import { PduVerifier } from './pdu-verifier.js';

/** What ends, with its event. */
type Pending = Pick<RoomMembership, 'membership' | 'sender'> & { readonly event: RoomEvent };

/**
 * Events of rooms that this server does not take part in: only the end of an invitation or a knock of a local account is taken, from
 * the account itself, from who invited it, and for a knock from whoever knows its event, which only those in the room do. Without the
 * room's state nothing else can be judged.
 */
@Injectable()
export class InviteRetractions {
  constructor(
    private readonly accounts: AccountDirectory,
    private readonly servers: AccountServers,
    private readonly rooms: RoomsStore,
    private readonly memberships: LocalMembershipsStore,
    private readonly outside: OutsideMemberships,
    private readonly verifier: PduVerifier,
    private readonly events: EventsStore,
    private readonly signatures: HomeSignatures,
  ) {}

  async receive(origin: string, roomId: string, pdus: readonly unknown[]): Promise<PduResults> {
    const results: PduResults = {};
    const row = await this.rooms.room(roomId);
    const rules = row && roomVersion(row.version);
    if (!rules) return results;
    for (const pdu of pdus) {
      let event: RoomEvent;
      try {
        event = readPdu(pdu, rules);
      } catch (error) {
        if (!(error instanceof PduFormatError)) throw error;
        continue;
      }
      results[event.eventId] = { error: 'this server is not in the room' };
      const userId = event.pdu.state_key;
      const membership = membershipOf(event);
      if (event.pdu.type !== 'm.room.member' || userId === undefined || !this.accounts.has(userId)) continue;
      if (membership !== 'leave' && membership !== 'ban') continue;
      const held = await this.memberships.ofUserInRoom(userId, roomId);
      if (held?.membership !== 'invite' && held?.membership !== 'knock') continue;
      const [pending] = await this.events.byNids([held.eventNid]);
      if (!pending || !(await this.#isProven(origin, event, rules, { ...held, event: pending.event }))) continue;
      await this.outside.record({ roomId, rules, userId, membership, event, sender: event.pdu.sender, strippedState: null });
      results[event.eventId] = {};
    }
    return results;
  }

  /**
   * In portable rooms the signer's record is in a state that is not here. Any home of the inviter's record may withdraw, whichever
   * invited, and the account's own event brings its record. Who hands over another server's event could keep an old one and end a
   * later invitation with it, so that such a one has to cite this invitation.
   */
  async #isProven(origin: string, event: RoomEvent, rules: RoomVersionRules, pending: Pending): Promise<boolean> {
    const isOwn = event.pdu.sender === event.pdu.state_key;
    const isCited = referencedIds(event.pdu.auth_events as JsonValue).includes(pending.event.eventId);
    if (!isOwn && (pending.membership === 'knock' ? !isCited : event.pdu.sender !== pending.sender)) return false;
    if (!rules.portable) return this.verifier.isSigned(event, rules);
    if (origin !== event.pdu.home && !isCited) return false;
    // Who answers a knock is a stranger here.
    if (!isOwn && pending.membership === 'knock') await this.servers.isPortable(event.pdu.sender);
    const shown = isOwn ? recordOf(event) : undefined;
    const record = shown?.user_id === event.pdu.sender ? await this.servers.highestRecord(shown) : await this.servers.knownRecord(event.pdu.sender);
    if (!record) {
      // Nothing is known of the sender: then it is the home that invited, or one that knows the knock, or nobody.
      return !isOwn && origin === event.pdu.home && (pending.membership === 'knock' || origin === pending.event.pdu.home);
    }
    const home = record.homes.find((h) => h.server_name === event.pdu.home);
    if (home && (await this.servers.hasDropped(record.user_id, home.server_name, record))) return false;
    return home !== undefined && this.signatures.context(rules).verifyHomeSignature(event, home.server_name, home.key_id, home.key);
  }
}
