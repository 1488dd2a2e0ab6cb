import { Injectable } from '@nestjs/common';
import { MatrixError } from '../../errors/matrix-error.js';
import { RoomRegistry } from '../../rooms/room-registry.js';
import { RoomPreviews } from '../room-previews.js';
import { summaryOf } from '../room-summary.js';
import { childrenOf, isSuggested } from './space-children.js';

/** Children that are told of in one answer. */
const MAX_CHILDREN = 50;

/** What other servers are told of spaces (server-server/space_hierarchy.yaml). */
@Injectable()
export class SpaceAnswers {
  constructor(
    private readonly registry: RoomRegistry,
    private readonly previews: RoomPreviews,
  ) {}

  /** @throws MatrixError 404 M_NOT_FOUND for rooms that this server is not in, or that are not for the other one */
  async of(origin: string, roomId: string, suggestedOnly: boolean): Promise<object> {
    const told = await this.#told(origin, roomId);
    if (!told || told === 'hidden') throw MatrixError.notFound('No such room, or not one for you');
    const children_state = suggestedOnly ? told.children_state.filter(isSuggested) : told.children_state;
    const children: object[] = [];
    const inaccessible_children: string[] = [];
    for (const { state_key: childId } of children_state.slice(0, MAX_CHILDREN)) {
      const child = await this.#told(origin, childId);
      if (child === 'hidden') inaccessible_children.push(childId);
      else if (child) children.push(child);
    }
    return { room: { ...told, children_state }, children, inaccessible_children };
  }

  async #told(origin: string, roomId: string) {
    const room = await this.registry.find(roomId);
    if (!room?.state.isResident) return undefined;
    const summary = summaryOf(room);
    return (await this.previews.mayServer(origin, room, summary)) ? { ...summary, children_state: childrenOf(room) } : 'hidden';
  }
}
