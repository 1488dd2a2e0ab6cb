import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { isCreatorHimself, jsonMember } from '#federation';
import { Log } from '../../observability/log.js';
import { RoomRegistry } from '../room-registry.js';
import { RoomsStore } from '../rooms.store.js';
import { EventSender } from './event-sender.js';
import { NamedPersons } from './named-persons.js';

/** Rooms of one start; the others come with the next. */
const MAX_ROOMS = 5_000;

/**
 * Power levels of portable rooms from before levels said whom they mean count for nobody (protocol §3 rule 6). A home of the room's
 * creator sets them again when it starts, as they are, with the persons whom the room knows by these names.
 */
@Injectable()
export class UnnamedLevels implements OnApplicationBootstrap, OnModuleDestroy {
  #working: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(
    private readonly rooms: RoomsStore,
    private readonly registry: RoomRegistry,
    private readonly persons: NamedPersons,
    private readonly sender: EventSender,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.#working = this.#work().catch((error: unknown) => this.log.error('rooms with levels of before could not be read', error));
  }

  async onModuleDestroy(): Promise<void> {
    this.#stopped = true;
    await this.#working;
  }

  async #work(): Promise<void> {
    for (const roomId of await this.rooms.withUnnamedLevels(MAX_ROOMS)) {
      if (this.#stopped) return;
      await this.#name(roomId).catch((error: unknown) => this.log.debug('levels of before could not be set again', { roomId, reason: String(error) }));
    }
  }

  async #name(roomId: string): Promise<void> {
    const room = await this.registry.find(roomId);
    const [create, levels] = [room?.state.get('m.room.create', ''), room?.state.get('m.room.power_levels', '')];
    const creator = create?.pdu.sender;
    if (!room || !create || !levels || creator === undefined || !room.state.localJoined.includes(creator)) return;
    // Who bears the creator's name now may be somebody else.
    if (!isCreatorHimself(room.state, create, creator)) return;
    const content = await this.persons.inLevels(levels.pdu.content, room.state);
    if (jsonMember(content, 'io.partyline.genesis') === undefined) return;
    await this.sender.send({ roomId, sender: creator, type: 'm.room.power_levels', stateKey: '', content });
  }
}
