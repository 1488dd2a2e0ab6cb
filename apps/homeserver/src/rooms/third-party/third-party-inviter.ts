import { Injectable } from '@nestjs/common';
import { isUserId, powerLevelsOf, type JsonObject } from '#federation';
import { Profiles } from '../../accounts/profiles.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { RemoteError } from '../../federation/outgoing/remote-error.js';
import { Inviter } from '../membership/inviter.js';
import { EventSender } from '../pipeline/event-sender.js';
import { RoomRegistry } from '../room-registry.js';
import type { Room } from '../room.js';
import { IdentityServers, type StoredInvite, type ThirdPartyAddress } from './identity-servers.js';

export interface ThirdPartyInvitation extends ThirdPartyAddress {
  readonly roomId: string;
  readonly sender: string;
  /** `is_direct` and the like, for the invitation of an account. */
  readonly content: JsonObject;
}

/** Invites whoever has an address, an account or none yet (client-server/third_party_membership.yaml). */
@Injectable()
export class ThirdPartyInviter {
  constructor(
    private readonly registry: RoomRegistry,
    private readonly identity: IdentityServers,
    private readonly inviter: Inviter,
    private readonly sender: EventSender,
    private readonly profiles: Profiles,
  ) {}

  /** @throws MatrixError 403 `M_FORBIDDEN` for who may not invite; what `IdentityServers` and `Inviter` throw */
  async invite(given: ThirdPartyInvitation): Promise<void> {
    const { roomId, sender, content } = given;
    const room = await this.registry.find(roomId);
    // Nobody is asked, and nobody written to, for who may not invite.
    if (!room?.state.joined.has(sender)) throw MatrixError.forbidden('You are not in this room');
    const levels = powerLevelsOf(room.state, room.rules);
    if (levels.user(sender) < levels.invite) throw MatrixError.forbidden('You may not invite to this room');
    const invitation = { ...given, address: given.medium === 'email' ? given.address.toLowerCase() : given.address };
    const bound = await this.identity.lookup(invitation);
    if (bound !== undefined) return this.inviter.invite({ roomId, sender, target: bound, content });
    let stored: StoredInvite;
    try {
      stored = await this.identity.storeInvite(invitation, await this.#told(room, sender));
    } catch (error) {
      const mxid = error instanceof RemoteError && error.remoteErrcode === 'M_THREEPID_IN_USE' ? error.body?.['mxid'] : undefined;
      if (!isUserId(mxid, { historical: true })) throw error;
      return this.inviter.invite({ roomId, sender, target: mxid, content });
    }
    await this.sender.send({ roomId, sender, type: 'm.room.third_party_invite', stateKey: stored.token, content: contentOf(stored) });
  }

  /** What the message to the address may say of the room and the inviter. */
  async #told({ id, state }: Room, sender: string): Promise<Record<string, string>> {
    const text = (type: string, member: string) => state.get(type, '')?.pdu.content[member];
    const { displayname, avatar_url: avatar } = (await this.profiles.get(sender)) as JsonObject;
    const told = {
      room_id: id, sender, sender_display_name: displayname, sender_avatar_url: avatar, room_alias: text('m.room.canonical_alias', 'alias'),
      room_avatar_url: text('m.room.avatar', 'url'), room_join_rules: text('m.room.join_rules', 'join_rule'), room_name: text('m.room.name', 'name'),
      room_type: text('m.room.create', 'type'),
    };
    return Object.fromEntries(Object.entries(told).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
  }
}

/** The first key stands for itself, too, for servers that know no list. */
function contentOf({ displayName, keys }: StoredInvite): JsonObject {
  const [first] = keys;
  return {
    display_name: displayName, public_key: first!.publicKey, key_validity_url: first!.validityUrl,
    public_keys: keys.map((key) => ({ public_key: key.publicKey, key_validity_url: key.validityUrl })),
  };
}
