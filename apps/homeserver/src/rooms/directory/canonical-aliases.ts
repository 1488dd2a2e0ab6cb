import { Injectable } from '@nestjs/common';
import { isRoomAlias, type JsonObject } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { RoomAddresses } from '../membership/room-address.js';
import { EventSender } from '../pipeline/event-sender.js';
import { RoomRegistry } from '../room-registry.js';

/** Aliases of one event that are looked up, some of them at other servers. */
const MAX_LOOKUPS = 100;

/** `m.room.canonical_alias`: what a room calls itself has to be true. */
@Injectable()
export class CanonicalAliases {
  constructor(
    private readonly registry: RoomRegistry,
    private readonly addresses: RoomAddresses,
    private readonly sender: EventSender,
  ) {}

  /**
   * Checks the aliases that are new in the content; those that were there may have gone stale meanwhile.
   *
   * @throws MatrixError 400 `M_INVALID_PARAM` (no alias), `M_BAD_ALIAS` (not an alias of this room)
   */
  async check(roomId: string, content: JsonObject): Promise<void> {
    const room = await this.registry.find(roomId);
    const held = new Set(aliasesOf(room?.state.get('m.room.canonical_alias', '')?.pdu.content ?? {}));
    const added = new Set(aliasesOf(content).filter((alias) => !held.has(alias)));
    if (added.size > MAX_LOOKUPS) throw MatrixError.invalidParam(`More than ${MAX_LOOKUPS} new aliases at once`);
    for (const alias of added) if (!isRoomAlias(alias)) throw MatrixError.invalidParam('This is not a valid alias');
    for (const alias of added as Set<string>) {
      const found = await this.addresses.ofAlias(alias).catch(() => undefined);
      if (found?.roomId !== roomId) throw new MatrixError(400, 'M_BAD_ALIAS', `${alias} is not an alias of this room`);
    }
  }

  /** Takes an alias that was deleted out of the room's state, if its remover may send that. */
  async forget(roomId: string, alias: string, userId: string): Promise<void> {
    const current = (await this.registry.find(roomId))?.state.get('m.room.canonical_alias', '')?.pdu.content;
    if (!current || !aliasesOf(current).includes(alias)) return;
    const { alias: canonical, alt_aliases: alternatives, ...rest } = current;
    const content: JsonObject = { ...rest };
    if (canonical !== undefined && canonical !== alias) content['alias'] = canonical;
    if (Array.isArray(alternatives)) content['alt_aliases'] = alternatives.filter((item) => item !== alias);
    try {
      await this.sender.send({ roomId, sender: userId, type: 'm.room.canonical_alias', stateKey: '', content });
    } catch (error) {
      // Whoever made an alias may delete it without having a say in the room.
      if (!(error instanceof MatrixError)) throw error;
    }
  }
}

/** What the content names; an empty or missing `alias` names none. */
function aliasesOf({ alias, alt_aliases: alternatives }: JsonObject): unknown[] {
  const main = alias === undefined || alias === null || alias === '' ? [] : [alias];
  return [...main, ...(Array.isArray(alternatives) ? alternatives : [])];
}
