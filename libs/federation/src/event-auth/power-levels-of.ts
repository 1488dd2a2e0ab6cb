import { jsonMember, type JsonObject, type JsonValue } from '../events/index.js';
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
      if (create && isPrivilegedCreator(create, userId, rules)) return Infinity;
      if (content) return level(content['users'], userId) ?? named('users_default', 0);
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

/** One level as it stands in an event. Before version 10 a string that is an integer counts as well. */
export function readLevel(value: JsonValue | undefined, rules: RoomVersionRules): number | undefined {
  if (Number.isSafeInteger(value)) return value as number;
  if (!rules.integerPowerLevels && typeof value === 'string' && /^\s*[+-]?\d+\s*$/.test(value)) return Number(value);
  return undefined;
}
