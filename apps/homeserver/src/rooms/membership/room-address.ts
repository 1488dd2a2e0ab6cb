import { Injectable } from '@nestjs/common';
import { isRoomAlias, isRoomId, serverNameOf } from '#federation';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { FederationClient } from '../../federation/federation-client.js';
import { RemoteError } from '../../federation/outgoing/remote-error.js';
import { AliasesStore } from '../directory/aliases.store.js';
import { RoomRegistry } from '../room-registry.js';

/** A room and servers through which it can be reached, this one first if it is in the room. */
export interface RoomAddress {
  readonly roomId: string;
  readonly servers: readonly string[];
}

/** Most servers that an alias answers with. */
const MAX_SERVERS = 20;

/** Finds rooms by alias, here and on other servers. */
@Injectable()
export class RoomAddresses {
  constructor(
    private readonly config: Config,
    private readonly aliases: AliasesStore,
    private readonly registry: RoomRegistry,
    private readonly federation: FederationClient,
  ) {}

  /**
   * @param idOrAlias room id or alias
   * @param via servers that the caller names
   * @throws MatrixError 400 `M_INVALID_PARAM`, 404 `M_NOT_FOUND`
   */
  async resolve(idOrAlias: string, via: readonly string[]): Promise<RoomAddress> {
    if (isRoomId(idOrAlias)) return { roomId: idOrAlias, servers: via };
    const { roomId, servers } = await this.ofAlias(idOrAlias);
    return { roomId, servers: [...new Set([...via, ...servers])] };
  }

  async ofAlias(alias: string): Promise<RoomAddress> {
    if (!isRoomAlias(alias)) throw MatrixError.invalidParam('This is neither a room id nor a room alias');
    const server = serverNameOf(alias);
    const found = server === this.config.serverName ? await this.local(alias) : await this.#remote(alias, server);
    if (!found) throw MatrixError.notFound(`There is no room ${alias}`);
    return found;
  }

  /** An alias of this server. */
  async local(alias: string): Promise<RoomAddress | undefined> {
    const row = await this.aliases.find(alias);
    if (!row) return undefined;
    const others = (await this.registry.find(row.roomId))?.state.otherServers ?? [];
    return { roomId: row.roomId, servers: [this.config.serverName, ...others].slice(0, MAX_SERVERS) };
  }

  async #remote(alias: string, server: string): Promise<RoomAddress | undefined> {
    try {
      const answer = await this.federation.request<{ room_id?: unknown; servers?: unknown }>({
        destination: server, method: 'GET', path: '/_matrix/federation/v1/query/directory', query: { room_alias: alias }, ignoreBackoff: true,
      });
      if (typeof answer.room_id !== 'string' || !isRoomId(answer.room_id)) return undefined;
      const servers = Array.isArray(answer.servers) ? answer.servers.filter((name) => typeof name === 'string') : [];
      return { roomId: answer.room_id, servers: [...new Set([server, ...servers])].slice(0, MAX_SERVERS) };
    } catch (error) {
      if (error instanceof RemoteError && error.remoteStatus === 404) return undefined;
      throw error;
    }
  }
}
