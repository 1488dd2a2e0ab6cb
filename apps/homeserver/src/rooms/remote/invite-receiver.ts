import { Injectable } from '@nestjs/common';
import { addSignature, PduFormatError, readPdu, recordOf, roomVersion, serverNameOf, type HomeRecord, type RoomEvent, type RoomVersionRules } from '#federation';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { AccountServers } from '../../accounts/account-servers.js';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { ServerKeys } from '../../federation/keys/server-keys.js';
import { InvitePolicy } from '../membership/invite-policy.js';
import { Inviter } from '../membership/inviter.js';
import { OutsideMemberships } from '../membership/outside-memberships.js';
import { InvitationsStore } from '../pipeline/invitations.store.js';
import { RoomRegistry } from '../room-registry.js';
import { HomeSignatures } from '../state/home-signatures.js';
import { membershipOf } from '../state/room-state.js';
import { assertInvitedRoom, assertMeant } from './invited-room.js';
import { PduVerifier } from './pdu-verifier.js';
import { isAllowedByAcl } from './server-acl.js';
import { MAX_TOLD_STATE, toldStrippedState, tryRead } from './told-stripped-state.js';

export interface ReceivedInvitation {
  readonly roomId: string;
  readonly eventId: string;
  readonly roomVersion: string;
  readonly event: unknown;
  /** Events, or stripped ones from servers before Matrix 1.16. */
  readonly inviteRoomState: readonly unknown[];
}

/** Takes invitations from other servers (Server-Server, "Inviting to a room"). */
@Injectable()
export class InviteReceiver {
  constructor(
    private readonly config: Config,
    private readonly accounts: AccountDirectory,
    private readonly servers: AccountServers,
    private readonly policy: InvitePolicy,
    private readonly keys: ServerKeys,
    private readonly registry: RoomRegistry,
    private readonly verifier: PduVerifier,
    private readonly signatures: HomeSignatures,
    private readonly outside: OutsideMemberships,
    private readonly inviter: Inviter,
    private readonly invitations: InvitationsStore,
  ) {}

  /** @returns the invitation with this server's signature */
  async receive(origin: string, invitation: ReceivedInvitation): Promise<RoomEvent> {
    const rules = roomVersion(invitation.roomVersion);
    if (!rules) {
      throw new MatrixError(400, 'M_INCOMPATIBLE_ROOM_VERSION', 'This server does not know the version of the room', { room_version: invitation.roomVersion });
    }
    const known = await this.registry.find(invitation.roomId);
    if (known && !isAllowedByAcl(known.state, origin)) throw MatrixError.forbidden(`${origin} is not allowed in this room`);
    const event = this.#read(invitation, rules);
    const invitee = event.pdu.state_key!;
    if (!this.accounts.has(invitee)) throw MatrixError.notFound('There is no such account on this server');
    if (!(await this.#isSigned(origin, event, rules, invitation.inviteRoomState))) throw MatrixError.forbidden('The signature of the invitation is missing or wrong');
    assertInvitedRoom(event, invitation.inviteRoomState, rules, this.signatures.context(rules), this.config.serverName);
    if (rules.portable) assertMeant(event, await this.servers.genesisOf(invitee));
    await this.policy.assertAllowed(event.pdu.sender, invitee);
    const signed = addSignature(event, rules, this.config.serverName, this.keys.signing);
    const room = await this.registry.find(invitation.roomId);
    // A resident server gets the event from the room itself.
    if (!room?.state.isResident && !(await this.invitations.hasEnded(invitee, signed.eventId))) {
      await this.outside.record({
        roomId: invitation.roomId, rules, userId: invitee, membership: 'invite', event: signed, sender: event.pdu.sender,
        strippedState: toldStrippedState(invitation.inviteRoomState, rules, signed),
      });
      if (rules.portable) await this.#passOn(origin, invitee, invitation, signed, rules);
    }
    return signed;
  }

  async #passOn(origin: string, invitee: string, invitation: ReceivedInvitation, event: RoomEvent, rules: RoomVersionRules): Promise<void> {
    const homes = await this.servers.of(invitee);
    // Only the first home that hears of it passes it on: from there it comes with the origin of a home.
    if (homes.includes(origin)) return;
    for (const home of homes) {
      if (home !== this.config.serverName) this.inviter.passOn(home, event, rules, invitation.inviteRoomState);
    }
  }

  #read(invitation: ReceivedInvitation, rules: RoomVersionRules): RoomEvent {
    let event: RoomEvent;
    try {
      event = readPdu(invitation.event, rules);
    } catch (error) {
      if (error instanceof PduFormatError) throw MatrixError.badJson(error.message);
      throw error;
    }
    if (event.roomId !== invitation.roomId || event.eventId !== invitation.eventId) throw MatrixError.invalidParam('The event is not the one of the path');
    if (event.pdu.type !== 'm.room.member' || event.pdu.state_key === undefined || membershipOf(event) !== 'invite') {
      throw MatrixError.badJson('Not an invitation');
    }
    return event;
  }

  /**
   * In portable rooms the invitation brings the inviter's member event, whose record names the home that signed. The room is not
   * here to prove the record, so it has to be the account's by itself.
   */
  async #isSigned(origin: string, event: RoomEvent, rules: RoomVersionRules, state: readonly unknown[]): Promise<boolean> {
    // Also for an invitation that names a third-party invite: whether that holds, only who has the room's state can see.
    if (!rules.portable) return (await this.verifier.isSignedBy(event, rules, serverNameOf(event.pdu.sender))) && this.verifier.isSigned(event, rules);
    for (const value of state.slice(0, MAX_TOLD_STATE)) {
      const member = tryRead(value, rules);
      if (member?.pdu.type !== 'm.room.member' || member.pdu.state_key !== event.pdu.sender || member.roomId !== event.roomId) continue;
      if (membershipOf(member) !== 'join') continue;
      const shown = recordOf(member);
      if (shown?.user_id !== event.pdu.sender || !this.#isSignedByHome(event, rules, shown)) continue;
      const highest = await this.servers.highestRecord(shown, origin);
      if (!highest || !this.#isSignedByHome(event, rules, highest)) continue;
      if (!(await this.servers.hasDropped(highest.user_id, event.pdu.home ?? '', highest))) return true;
    }
    return false;
  }

  #isSignedByHome(event: RoomEvent, rules: RoomVersionRules, record: HomeRecord): boolean {
    const home = record.homes.find((entry) => entry.server_name === event.pdu.home);
    return home !== undefined && this.signatures.context(rules).verifyHomeSignature(event, home.server_name, home.key_id, home.key);
  }
}
