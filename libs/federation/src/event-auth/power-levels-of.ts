import { jsonMember, type JsonObject, type JsonValue, type RoomEvent } from '../events/index.js';
import { genesisHash } from '../home-record/index.js';
import { recordOf } from '../home-record/record-of.js';
import type { RoomVersionRules } from '../room-versions/index.js';
import type { StateReader } from './auth-context.js';
import { creatorOf, isPrivilegedCreator } from './room-facts.js';

/** Levels of a room, defaults filled in. A privileged creator's level is Infinity (version 12). */
export interface PowerLevels {
  user(userId: string): number;
  /** Level required to send an event of a type. */
  event(type: string, isState: boolean): number;
  readonly ban: number;
  readonly kick: number;
  readonly invite: number;
  readonly redact: number;
  /** Levels required to notify: `@room`. */
  readonly notifications: { readonly room: number };
}

/** Reads `m.room.power_levels` of a state (client-server API, "m.room.power_levels", for the defaults). */
export function powerLevelsOf(state: StateReader, rules: RoomVersionRules): PowerLevels {
  const create = state.get('m.room.create', '');
  const content: JsonObject | undefined = state.get('m.room.power_levels', '')?.pdu.content;
  const level = (holder: JsonValue | undefined, key: string): number | undefined =>
    readLevel(jsonMember(holder, key), rules);
  const named = (key: string, missing: number): number => level(content, key) ?? missing;

  return {
    user(userId) {
      if (create && isPrivilegedCreator(create, userId, rules) && (!rules.portable || isCreatorHimself(state, create, userId))) return Infinity;
      if (content) {
        const standard = named('users_default', 0);
        const own = level(content['users'], userId) ?? standard;
        return !rules.portable || own <= standard || isNamed(state, content, userId) ? own : standard;
      }
      const creator = create && !rules.privilegedCreators ? creatorOf(create, rules) : undefined;
      return userId === creator ? 100 : 0;
    },
    event(type, isState) {
      return level(content?.['events'], type) ?? (isState ? named('state_default', 50) : named('events_default', 0));
    },
    notifications: { get room() { return level(content?.['notifications'], 'room') ?? 50; } },
    get ban() { return named('ban', 50); },
    get kick() { return named('kick', 50); },
    get invite() { return named('invite', 0); },
    get redact() { return named('redact', 50); },
  };
}

/** Whether a map of geneses, in power levels or the create event, means the person whom the room knows by the name. */
function isNamed(state: StateReader, content: JsonObject, userId: string): boolean {
  const record = recordOf(state.get('m.room.member', userId));
  return record !== undefined && jsonMember(jsonMember(content, 'io.partyline.genesis'), userId) === genesisHash(record.genesis);
}

/** Portable rooms, rule 6: the creator is who made the room, not who bears the name now. */
export function isCreatorHimself(state: StateReader, create: RoomEvent, userId: string): boolean {
  if (userId !== create.pdu.sender) return isNamed(state, create.pdu.content, userId);
  const [first, now] = [recordOf(create), recordOf(state.get('m.room.member', userId))];
  return !first || !now || genesisHash(first.genesis) === genesisHash(now.genesis);
}

/** One level as it stands in an event. Before version 10 a string that is an integer counts as well. */
export function readLevel(value: JsonValue | undefined, rules: RoomVersionRules): number | undefined {
  if (Number.isSafeInteger(value)) return value as number;
  if (!rules.integerPowerLevels && typeof value === 'string' && /^\s*[+-]?\d+\s*$/.test(value)) return Number(value);
  return undefined;
}
