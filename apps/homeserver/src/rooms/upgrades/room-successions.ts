import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { powerLevelsOf } from '#federation';
import { Bus } from '../../bus/bus.js';
import { Log } from '../../observability/log.js';
import { Stopping } from '../../observability/stopping.js';
import { AliasesStore } from '../directory/aliases.store.js';
import { LocalMembershipsStore } from '../membership/local-memberships.store.js';
import { RoomRegistry } from '../room-registry.js';
import type { Room } from '../room.js';
import { roomNamedBy } from './moved-state.js';
import { FollowedSettings } from './followed-settings.js';

const TOMBSTONE = 'm.room.tombstone';

type SuccessionListener = (former: Room, successor: Room) => Promise<void>;

/** What follows on this server where a room was replaced, here or elsewhere: addresses and the directory's entry move, and the settings of whoever comes along. */
@Injectable()
export class RoomSuccessions implements OnModuleInit, OnModuleDestroy {
  readonly #listeners: SuccessionListener[] = [];
  #unsubscribe = (): void => undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(
    private readonly registry: RoomRegistry,
    private readonly memberships: LocalMembershipsStore,
    private readonly aliases: AliasesStore,
    private readonly settings: FollowedSettings,
    private readonly bus: Bus,
    private readonly stopping: Stopping,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.#unsubscribe = this.bus.subscribe((message) => {
      if (message.kind !== 'room' || !message.events.some(({ event: { pdu } }) => pdu.type === TOMBSTONE && pdu.state_key === '')) return;
      this.#running = this.#running.then(() => this.#replaced(message.roomId)).catch((error: unknown) => {
        if (!this.stopping.signal.aborted) this.log.error('what follows from the replacement of a room failed', error, { roomId: message.roomId });
      });
    });
  }

  async onModuleDestroy(): Promise<void> {
    this.#unsubscribe();
    await this.#running;
  }

  /** Called for two rooms of which the first says that the second replaces it, and the second that it replaces the first. May be called again. */
  onSucceeded(listener: SuccessionListener): void {
    this.#listeners.push(listener);
  }

  /** Somebody of this server has come into a room: where it replaces one that he was in, his settings for that hold in it. */
  async joined(userId: string, roomId: string): Promise<void> {
    const successor = await this.registry.find(roomId);
    const former = successor && (await this.#formerOf(successor));
    if (!successor || !former) return;
    if (isReplaced(former, successor)) await this.settle(former, successor);
    else if (!isAuthorised(former, successor)) return;
    const before = await this.memberships.ofUserInRoom(userId, former.id);
    if (before?.membership === 'join' || before?.membership === 'leave') await this.settings.copy(userId, former.id, successor.id);
  }

  /** Moves what this server has of a room to the one that replaces it. */
  async settle(former: Room, successor: Room): Promise<void> {
    await this.aliases.move(former.nid, successor.nid);
    for (const listener of this.#listeners) await listener(former, successor);
  }

  async #replaced(roomId: string): Promise<void> {
    const former = await this.registry.find(roomId);
    // In the room's own turn: by then its state holds what was committed.
    const successorId = await former?.run(() => roomNamedBy(former.state.get(TOMBSTONE, '')?.pdu.content, 'replacement_room'));
    const successor = successorId === undefined ? undefined : await this.registry.find(successorId);
    if (!former || !successor?.state.isResident || (await this.#formerOf(successor))?.id !== former.id) return;
    await this.settle(former, successor);
    for (const userId of successor.state.localJoined) if (former.state.joined.has(userId)) await this.settings.copy(userId, former.id, successor.id);
  }

  async #formerOf(successor: Room): Promise<Room | undefined> {
    const formerId = roomNamedBy(successor.state.get('m.room.create', '')?.pdu.content, 'predecessor');
    return formerId === undefined || formerId === successor.id ? undefined : this.registry.find(formerId);
  }
}

function isReplaced(former: Room, successor: Room): boolean {
  return roomNamedBy(former.state.get(TOMBSTONE, '')?.pdu.content, 'replacement_room') === successor.id;
}

/** Whether the maker of a room may replace the other one, which may not say so yet: anybody may make a room that claims to be another one's successor. */
function isAuthorised(former: Room, successor: Room): boolean {
  const maker = successor.state.get('m.room.create', '')?.pdu.sender;
  if (maker === undefined || !former.state.joined.has(maker)) return false;
  const levels = powerLevelsOf(former.state, former.rules);
  return levels.user(maker) >= levels.event(TOMBSTONE, true);
}
