import { Injectable } from '@nestjs/common';
import { serverNameOf, type JsonObject } from '#federation';
import { parseStoredJson } from '#json';
import { AccountServers } from '../../accounts/account-servers.js';
import { Config } from '../../config/config.js';
import { InvitationsStore, type PendingInvitation } from '../pipeline/invitations.store.js';
import { RoomRegistry } from '../room-registry.js';

/** Finds servers through which a room can be reached that this server does not take part in. */
@Injectable()
export class RoomServers {
  constructor(
    private readonly config: Config,
    private readonly accountServers: AccountServers,
    private readonly registry: RoomRegistry,
    private readonly invitations: InvitationsStore,
  ) {}

  /**
   * Other servers, best first: those given, the inviter's or those that a knock went through, those of the room as last known, the
   * room id's, other homes of the account.
   */
  async of(roomId: string, userId: string, given: readonly string[]): Promise<string[]> {
    const pending = await this.invitations.inRoom(userId, roomId);
    const room = await this.registry.find(roomId);
    const servers = new Set([...given, ...(pending ? serversOf(pending) : []), ...(room?.state.otherServers ?? []), serverNameOf(roomId), ...(await this.accountServers.of(userId))]);
    servers.delete(this.config.serverName);
    servers.delete('');
    return [...servers];
  }
}

function serversOf({ sender, via, json }: PendingInvitation): string[] {
  const { home } = parseStoredJson(json) as JsonObject;
  return [...(typeof home === 'string' ? [home] : []), ...(via ?? []), serverNameOf(sender)];
}
