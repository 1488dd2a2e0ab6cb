import { Injectable } from '@nestjs/common';
import { powerLevelsOf, recordOf, roomVersion, type JsonObject, type RoomEvent, type RoomVersionRules } from '#federation';
import { AccountServers } from '../../accounts/account-servers.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { KeyedQueue } from '../../observability/keyed-queue.js';
import type { InitialEvent } from '../creation/initial-events.js';
import { RoomCreator } from '../creation/room-creator.js';
import { AliasesStore } from '../directory/aliases.store.js';
import { MemberChanges } from '../membership/member-changes.js';
import { NamedPersons } from '../pipeline/named-persons.js';
import { EventSender } from '../pipeline/event-sender.js';
import { RoomRegistry } from '../room-registry.js';
import type { Room } from '../room.js';
import { membershipOf } from '../state/room-state.js';
import { RoomAccess, type VisibleState } from '../timeline/room-access.js';
import { MOVED_TYPES, movedAliases, movedChildren, movedJoinRules, roomNamedBy, successorContent } from './moved-state.js';
import { RoomSuccessions } from './room-successions.js';
import { upgradedLevels } from './upgraded-levels.js';

const TOMBSTONE = 'm.room.tombstone';
const LEVELS = 'm.room.power_levels';
const ADDRESS = 'm.room.canonical_alias';
/** Bans that are among the first events of the new room; others follow one by one. */
const MAX_FIRST_BANS = 1_000;
/** People without a record in the old room whom power levels of a portable room may name. */
const MAX_STRANGERS = 20;

export interface RoomUpgrade {
  readonly roomId: string;
  readonly userId: string;
  readonly version: string;
  readonly additionalCreators: readonly string[];
}

/**
 * Replaces rooms by ones of another version (Client-Server, "Room upgrades"). The new room is made whole in one commit before the old one names it,
 * so that an upgrade which is interrupted has replaced nothing, or is completed by whoever asks for it again.
 */
@Injectable()
export class RoomUpgrader {
  readonly #queue = new KeyedQueue();

  constructor(
    private readonly registry: RoomRegistry,
    private readonly access: RoomAccess,
    private readonly creator: RoomCreator,
    private readonly aliases: AliasesStore,
    private readonly persons: NamedPersons,
    private readonly servers: AccountServers,
    private readonly members: MemberChanges,
    private readonly sender: EventSender,
    private readonly successions: RoomSuccessions,
  ) {}

  /**
   * @returns the id of the new room
   * @throws MatrixError 400 `M_UNSUPPORTED_ROOM_VERSION`, `M_INVALID_PARAM`; 403 `M_FORBIDDEN`
   */
  upgrade(request: RoomUpgrade): Promise<string> {
    const rules = roomVersion(request.version);
    if (!rules) throw new MatrixError(400, 'M_UNSUPPORTED_ROOM_VERSION', `This server does not know room version ${request.version}`);
    return this.#queue.run(request.roomId, async () => {
      const former = await this.#assertMay(request);
      const successor = (await this.#ownSuccessor(former, request, rules)) ?? (await this.#make(former, request, rules));
      await this.#replace(former, successor, request.userId);
      return successor.id;
    });
  }

  async #assertMay({ roomId, userId }: RoomUpgrade): Promise<Room> {
    const room = await this.registry.find(roomId);
    if (!room?.state.joined.has(userId)) throw MatrixError.forbidden('You are not in this room');
    const levels = powerLevelsOf(room.state, room.rules);
    if (levels.user(userId) < levels.event(TOMBSTONE, true)) throw MatrixError.forbidden('You may not upgrade this room');
    return room;
  }

  /** The room that the same request made before. */
  async #ownSuccessor(former: Room, { userId }: RoomUpgrade, rules: RoomVersionRules): Promise<Room | undefined> {
    const replacement = roomNamedBy(former.state.get(TOMBSTONE, '')?.pdu.content, 'replacement_room');
    const successor = replacement === undefined ? undefined : await this.registry.find(replacement);
    const create = successor?.state.get('m.room.create', '');
    const isOwn = create?.pdu.sender === userId && roomNamedBy(create.pdu.content, 'predecessor') === former.id;
    return isOwn && successor?.rules === rules && successor.state.joined.has(userId) ? successor : undefined;
  }

  async #make(former: Room, request: RoomUpgrade, rules: RoomVersionRules): Promise<Room> {
    const { userId, version } = request;
    const creators = rules.privilegedCreators ? [...new Set(request.additionalCreators)].filter((one) => one !== userId) : [];
    const state = await this.access.visibleState(userId, former.id);
    const bans = bansIn(former).filter(({ stateKey }) => stateKey !== userId);
    const creation = successorContent(former.state.get('m.room.create', ''), former.id, former.extremities[0]?.eventId);
    const successorId = await this.creator.create(userId, {
      visibility: 'private', preset: 'private_chat', invite: [], inviteAddresses: [], isDirect: false, initialState: [], powerLevelOverride: {},
      roomVersion: version,
      creationContent: { ...creation, ...(creators.length > 0 ? { additional_creators: creators } : {}) },
      // The levels come last: who may replace the room need not be allowed to set all of this.
      firstEvents: [
        ...(await this.#movedState(former, state, rules)),
        ...bans.slice(0, MAX_FIRST_BANS),
        { type: LEVELS, stateKey: '', content: await this.#levels(former, rules, [userId, ...creators]) },
      ],
    });
    for (const { stateKey: target, content } of bans.slice(MAX_FIRST_BANS)) {
      const { reason } = content;
      await this.members.ban({ roomId: successorId, sender: userId, target, ...(typeof reason === 'string' ? { reason } : {}) }).catch(onlyRefused);
    }
    return this.registry.get(successorId);
  }

  async #movedState(former: Room, state: VisibleState, rules: RoomVersionRules): Promise<InitialEvent[]> {
    const events: InitialEvent[] = [];
    const put = (type: string, content: JsonObject | undefined): void => {
      if (content) events.push({ type, stateKey: '', content });
    };
    const contents = await Promise.all(MOVED_TYPES.map((type) => state.get(type, '')));
    for (const event of contents) put(event?.pdu.type ?? '', event?.pdu.content);
    // COMPAT(SyTest): the new room says it outright, also where the old one keeps guests out by saying nothing.
    if (!contents.some((event) => event?.pdu.type === 'm.room.guest_access')) put('m.room.guest_access', { guest_access: 'forbidden' });
    const joinRules = former.state.get('m.room.join_rules', '')?.pdu.content;
    put('m.room.join_rules', joinRules && movedJoinRules(joinRules, former.id, rules));
    const { moved } = await this.#addresses(await state.get(ADDRESS, ''), former);
    if (Object.keys(moved).length > 0) put(ADDRESS, moved);
    if (former.state.get('m.room.create', '')?.pdu.content['type'] === 'm.space') events.push(...movedChildren(await state.all('m.space.child')));
    return events;
  }

  async #levels(former: Room, rules: RoomVersionRules, creators: readonly string[]): Promise<JsonObject> {
    const create = former.state.get('m.room.create', '');
    const additional = create?.pdu.content['additional_creators'];
    const formerCreators = former.rules.privilegedCreators && create ? [create.pdu.sender, ...(Array.isArray(additional) ? additional.filter((one) => typeof one === 'string') : [])] : [];
    const content = upgradedLevels({ content: former.state.get(LEVELS, '')?.pdu.content, rules: former.rules, creators: formerCreators }, { rules, creators });
    if (!rules.portable) return content;
    return this.persons.inLevels(await this.#ofKnownPersons(former, content), former.rules.portable ? former.state : undefined);
  }

  /** In portable rooms power is given to persons: whoever has no home record could not use it. */
  async #ofKnownPersons({ state }: Room, content: JsonObject): Promise<JsonObject> {
    const users = Object.entries(content['users'] as JsonObject).sort(([, a], [, b]) => Number(b) - Number(a));
    const strangers = users.map(([userId]) => userId).filter((userId) => !recordOf(state.get('m.room.member', userId)));
    const known = new Set<string>();
    await Promise.all(strangers.slice(0, MAX_STRANGERS).map(async (userId) => {
      if ((await this.servers.genesisOf(userId)) !== undefined) known.add(userId);
    }));
    return { ...content, users: Object.fromEntries(users.filter(([userId]) => !strangers.includes(userId) || known.has(userId))) };
  }

  /** The old room names the new one; the rest is done as far as it is allowed to whoever asks. */
  async #replace(former: Room, successor: Room, userId: string): Promise<void> {
    const send = (type: string, content: JsonObject): Promise<unknown> => this.sender.send({ roomId: former.id, sender: userId, type, stateKey: '', content });
    await send(TOMBSTONE, { body: 'This room has been replaced', replacement_room: successor.id });
    const levels = former.state.get(LEVELS, '')?.pdu.content;
    if (levels) await send(LEVELS, closedLevels(levels)).catch(onlyRefused);
    const address = await (await this.access.visibleState(userId, former.id)).get(ADDRESS, '');
    const { moved, left } = await this.#addresses(address, former, successor);
    if (Object.keys(moved).length > 0) await send(ADDRESS, left).catch(onlyRefused);
    await this.successions.settle(former, successor);
    await this.successions.joined(userId, successor.id);
  }

  /** Which addresses move: those of this server that lead to one of the rooms. */
  async #addresses(event: RoomEvent | undefined, ...rooms: readonly Room[]): Promise<ReturnType<typeof movedAliases>> {
    const own = new Set<string>();
    // The former room first, and then the other one: what moves meanwhile is in one of the answers.
    if (event) for (const room of rooms) for (const alias of await this.aliases.ofRoom(room.id)) own.add(alias);
    return movedAliases(event?.pdu.content ?? {}, (alias) => own.has(alias));
  }
}

function bansIn({ state }: Room): InitialEvent[] {
  const bans: InitialEvent[] = [];
  for (const [, { event }] of state.entries()) {
    const { type, state_key: stateKey, content } = event.pdu;
    if (type !== 'm.room.member' || stateKey === undefined || membershipOf(event) !== 'ban') continue;
    bans.push({ type, stateKey, content: { membership: 'ban', ...(typeof content['reason'] === 'string' ? { reason: content['reason'] } : {}) } });
  }
  return bans;
}

/** Levels at which ordinary members neither write nor invite any more. */
function closedLevels(levels: JsonObject): JsonObject {
  const numberOf = (name: string, missing: number): number => (typeof levels[name] === 'number' ? levels[name] : missing);
  const closed = Math.max(50, numberOf('users_default', 0) + 1);
  return { ...levels, events_default: Math.max(closed, numberOf('events_default', 0)), invite: Math.max(closed, numberOf('invite', 0)) };
}

function onlyRefused(error: unknown): void {
  if (!(error instanceof MatrixError)) throw error;
}
