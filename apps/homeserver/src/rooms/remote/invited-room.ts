import { AuthError, checkAuth, genesisHash, isReleased, recordOf, type AuthContext, type RoomEvent, type RoomVersionRules } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { MAX_TOLD_STATE, tryRead } from './told-stripped-state.js';

/**
 * What an invitation to a room that is not here proves about the room (Server-Server, "Inviting to a room"; protocol §3, "Invitations"). The id of
 * a portable room is the hash of its create event, which its creator's home has signed by a record that proves itself: it has to be given. Of
 * other rooms one that is given must not be of another room.
 *
 * @param state what came with the invitation
 * @param own this server's name
 * @throws MatrixError 400 `M_INVALID_PARAM` for a room that is none; 403 `M_FORBIDDEN` for one that does not federate with this server
 */
export function assertInvitedRoom(invitation: RoomEvent, state: readonly unknown[], rules: RoomVersionRules, context: AuthContext, own: string): void {
  if (!rules.roomIdIsCreateHash) return;
  const create = state.slice(0, MAX_TOLD_STATE).map((value) => tryRead(value, rules)).find((event) => event?.pdu.type === 'm.room.create' && event.pdu.state_key === '');
  if (!create && !rules.portable) return;
  if (create?.roomId !== invitation.roomId) throw MatrixError.invalidParam('The invitation does not show the event that made the room');
  if (!rules.portable) return;
  if ((create.pdu.content['room_version'] ?? '1') !== rules.id) throw MatrixError.invalidParam('The room is of another version');
  try {
    checkAuth(create, { get: () => undefined }, rules, context);
  } catch (error) {
    if (error instanceof AuthError) throw MatrixError.invalidParam(`The event that made the room is not allowed: ${error.message}`);
    throw error;
  }
  const isOpen = create.pdu.content['m.federate'] !== false || recordOf(create)!.homes.some((home) => home.server_name === own);
  if (!isOpen) throw MatrixError.forbidden('The room does not federate');
}

/**
 * Portable rooms, protocol §3 rule 6: an invitation that names another person, or a room that knows another one under the name, counts as none. So it
 * is not shown.
 *
 * @param genesis SHA-256 of the genesis of the account here
 * @throws MatrixError 403 `M_FORBIDDEN`
 */
export function assertMeant(invitation: RoomEvent, genesis: string | undefined): void {
  const { genesis_sha256: named } = invitation.pdu.content;
  const known = recordOf(invitation);
  const isAnother = (named !== undefined && named !== genesis) || (known !== undefined && !isReleased(invitation) && genesisHash(known.genesis) !== genesis);
  if (isAnother) throw MatrixError.forbidden('The invitation is to somebody else who used this name');
}
