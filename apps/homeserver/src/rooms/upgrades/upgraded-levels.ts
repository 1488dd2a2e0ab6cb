import { isJsonObject, jsonMember, readLevel, type JsonObject, type JsonValue, type RoomVersionRules } from '#federation';

/** The levels of a room that is replaced, and who makes the other one. */
export interface FormerLevels {
  /** Content of its `m.room.power_levels`; undefined for a room without. */
  readonly content: JsonObject | undefined;
  readonly rules: RoomVersionRules;
  /** Who has infinite power in it. */
  readonly creators: readonly string[];
}

export interface NewCreators {
  readonly rules: RoomVersionRules;
  /** Who makes the new room, and with whom. */
  readonly creators: readonly string[];
}

const LEVELS = ['ban', 'events_default', 'invite', 'kick', 'redact', 'state_default', 'users_default', 'historical'];
const LEVEL_MAPS = ['events', 'users', 'notifications'];
const TOMBSTONE = 'm.room.tombstone';
/** What only creators may do who have no level (rooms of version 12 and later). */
const CREATORS_ONLY = 150;

/**
 * The power levels of a room that replaces another one: the same, as its version takes them. Creators with infinite power have no level; where
 * the new version knows none, those of the old room get the highest level that anything takes.
 */
export function upgradedLevels(former: FormerLevels, { rules, creators }: NewCreators): JsonObject {
  const levels = readable(former);
  const users: JsonObject = { ...(levels['users'] as JsonObject | undefined) };
  const events: JsonObject = { ...(levels['events'] as JsonObject | undefined) };
  if (rules.privilegedCreators) {
    for (const creator of creators) delete users[creator];
    if (!former.rules.privilegedCreators) events[TOMBSTONE] = Math.max(CREATORS_ONLY, numberOf(events[TOMBSTONE]));
  } else {
    const highest = Math.max(100, ...LEVELS.map((name) => numberOf(levels[name])), ...[...Object.values(events), ...Object.values(users)].map(numberOf));
    for (const creator of former.creators) users[creator] = highest;
    // A room without levels is its creator's.
    if (!former.content) users[creators[0]!] = Math.max(100, numberOf(users[creators[0]!]));
  }
  return { ...levels, users, events };
}

/** The levels as numbers, which is how later versions want them; what is none is left out, and with it what says whom a portable room means. */
function readable({ content, rules }: FormerLevels): JsonObject {
  const read: JsonObject = {};
  const put = (into: JsonObject, name: string, value: JsonValue | undefined): void => {
    const level = readLevel(value, rules);
    if (level !== undefined) into[name] = level;
  };
  for (const name of LEVELS) put(read, name, jsonMember(content, name));
  for (const name of LEVEL_MAPS) {
    const map = jsonMember(content, name);
    if (!isJsonObject(map)) continue;
    const levels: JsonObject = {};
    for (const [key, value] of Object.entries(map)) put(levels, key, value);
    read[name] = levels;
  }
  return read;
}

function numberOf(value: JsonValue | undefined): number {
  return typeof value === 'number' ? value : 0;
}
