import { Injectable } from '@nestjs/common';
import { PduFormatError, readPdu, roomVersion, type RoomEvent } from '#federation';
import { AccountDirectory } from '../../accounts/account-directory.js';
import type { PduResults } from '../../federation/pdu-receiver.js';
import { LocalMembershipsStore } from '../membership/local-memberships.store.js';
import { OutsideMemberships } from '../membership/outside-memberships.js';
import { RoomsStore } from '../rooms.store.js';
import { membershipOf } from '../state/room-state.js';
import { PduVerifier } from './pdu-verifier.js';

/**
 * Events of rooms that this server does not take part in: only the end of an invitation (or knock) of a local account is taken, from
 * who sent it or the account itself. Without the room's state nothing else can be judged.
 */
@Injectable()
export class InviteRetractions {
  constructor(
    private readonly accounts: AccountDirectory,
    private readonly rooms: RoomsStore,
    private readonly memberships: LocalMembershipsStore,
    private readonly outside: OutsideMemberships,
    private readonly verifier: PduVerifier,
  ) {}

  async receive(roomId: string, pdus: readonly unknown[]): Promise<PduResults> {
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
      if (!(await this.verifier.isSigned(event, rules))) continue;
      await this.outside.record({ roomId, rules, userId, membership, event, sender: event.pdu.sender, strippedState: null });
      results[event.eventId] = {};
    }
    return results;
  }
}
