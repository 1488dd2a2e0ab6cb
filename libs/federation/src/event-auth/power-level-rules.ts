import { isUserId } from '../identifiers/index.js';
import { isJsonObject, jsonMember, type JsonObject, type JsonValue } from '../events/index.js';
import { MalformedContentError } from './auth-error.js';
import { readLevel } from './power-levels-of.js';
import { isPrivilegedCreator } from './room-facts.js';
import { reject, type RuleInput } from './rule-input.js';

const SINGLE_LEVELS = ['users_default', 'events_default', 'state_default', 'ban', 'redact', 'kick', 'invite'] as const;
const LEVEL_MAPS = ['events', 'notifications'] as const;
const LEVEL_MAPS_OF_OLD = ['events'] as const;

/** `m.room.power_levels` (rule 9; 10 in version 12). */
export function checkPowerLevels(input: RuleInput): void {
  const { event, state, levels, rules, numbers } = input;
  const { content, sender } = event.pdu;
  checkShape(input);

  // Numbers from here on: version 12 put a rule 4 between, versions before 10 have two rules fewer.
  const first = (rules.integerPowerLevels ? 4 : 2) + (rules.privilegedCreators ? 1 : 0);
  const n = (step: number): string => `${numbers.powerLevels}.${first + step}`;

  // The first power levels of a room are free.
  const previous = state.get('m.room.power_levels', '')?.pdu.content;
  if (previous === undefined) return;
  if (!rules.integerPowerLevels) for (const compared of [previous, content]) checkReadable(compared, `${n(1)}`, input);
  const own = levels.user(sender);
  const read = (holder: JsonValue | undefined, key: string): number | undefined =>
    readLevel(jsonMember(holder, key), rules);

  // What was added, changed or removed must neither have been nor become higher than the sender.
  for (const key of SINGLE_LEVELS) {
    const before = read(previous, key);
    const after = read(content, key);
    if (before === after) continue;
    if (before !== undefined && before > own) reject(`${n(1)}.1`, `${key} was above the sender's level`);
    if (after !== undefined && after > own) reject(`${n(1)}.2`, `${key} becomes higher than the sender's level`);
  }
  for (const name of rules.notificationLevels ? LEVEL_MAPS : LEVEL_MAPS_OF_OLD) {
    for (const [key, before, after] of changes(previous, content, name, read)) {
      // Nobody changes or removes an entry above themselves …
      if (before !== undefined && before > own) reject(`${n(2)}.1`, `${name}.${key} was above the sender's level`);
      // … or sets one there.
      if (after !== undefined && after > own) reject(`${n(3)}.1`, `${name}.${key} becomes higher than the sender`);
    }
  }
  for (const [userId, before, after] of changes(previous, content, 'users', read)) {
    // Equals cannot be lowered; everybody can lower themselves.
    if (userId !== sender && before !== undefined && before >= own) {
      reject(`${n(4)}.1`, `the level of ${userId} was not below the sender's`);
    }
    // Nobody raises anyone above themselves.
    if (after !== undefined && after > own) reject(`${n(5)}.1`, `${userId} becomes higher than the sender`);
  }
  if (rules.portable) checkGeneses(previous, content, sender, own, read);
}

/** Portable rooms, rule 6: whose level it is takes as much to change as the level. */
function checkGeneses(
  previous: JsonObject, content: JsonObject, sender: string, own: number,
  read: (holder: JsonValue | undefined, key: string) => number | undefined,
): void {
  const genesisOf = (holder: JsonObject, userId: string): JsonValue | undefined => jsonMember(jsonMember(holder, 'io.partyline.genesis'), userId);
  const maps = [previous, content].map((holder) => jsonMember(holder, 'io.partyline.genesis'));
  for (const userId of new Set(maps.flatMap((map) => (isJsonObject(map) ? Object.keys(map) : [])))) {
    if (genesisOf(previous, userId) === genesisOf(content, userId)) continue;
    const [before, after] = [previous, content].map((holder) => read(jsonMember(holder, 'users'), userId));
    if (userId !== sender && before !== undefined && before >= own) reject('p6', `the level of ${userId} was not below the sender's`);
    if (after !== undefined && after > own) reject('p6', `${userId} is higher than the sender`);
  }
}

function checkShape({ event, create, rules, numbers }: RuleInput): void {
  const { content } = event.pdu;
  const isLevel = (value: JsonValue): boolean => readLevel(value, rules) !== undefined;
  const n = numbers.powerLevels;
  if (rules.integerPowerLevels) {
    // Version 10: levels are integers, not strings.
    for (const key of SINGLE_LEVELS) {
      const value = jsonMember(content, key);
      if (value !== undefined && !isLevel(value)) malformed(`${n}.1`, `${key} is not an integer`);
    }
    for (const name of LEVEL_MAPS) {
      const map = jsonMember(content, name);
      if (map === undefined) continue;
      const valid = isJsonObject(map) && Object.values(map).every(isLevel);
      if (!valid) malformed(`${n}.2`, `${name} does not map to integers`);
    }
  }
  // Users are user ids, and their levels are levels.
  const users = jsonMember(content, 'users');
  const valid = users === undefined
    || (isJsonObject(users) && Object.entries(users).every(([id, level]) => isUserId(id, { historical: true }) && isLevel(level)));
  if (!valid) malformed(`${n}.${rules.integerPowerLevels ? 3 : 1}`, 'users does not map user ids to levels');
  // Version 12: the creators' level is not for power levels to say.
  if (rules.privilegedCreators && isJsonObject(users) && Object.keys(users).some((id) => isPrivilegedCreator(create, id, rules))) {
    malformed(`${n}.4`, 'users names a creator');
  }
}

/**
 * Before version 10 no rule says what a level is, but nobody can compare what is none: other servers refuse a change from or to it, also
 * of `null`, which is there.
 */
function checkReadable(content: JsonObject, rule: string, { rules }: RuleInput): void {
  const isLevel = (value: JsonValue | undefined): boolean => value === undefined || readLevel(value, rules) !== undefined;
  for (const key of SINGLE_LEVELS) if (!isLevel(jsonMember(content, key))) reject(rule, `${key} is no level`);
  for (const name of ['users', ...(rules.notificationLevels ? LEVEL_MAPS : LEVEL_MAPS_OF_OLD)]) {
    const map = jsonMember(content, name);
    if (map !== undefined && !(isJsonObject(map) && Object.values(map).every(isLevel))) reject(rule, `${name} does not map to levels`);
  }
}

/** Entries of one map that differ: key, level before, level after; undefined where there was or is none. */
function* changes(
  previous: JsonObject, next: JsonObject, name: string,
  read: (holder: JsonValue | undefined, key: string) => number | undefined,
): Generator<[key: string, before: number | undefined, after: number | undefined]> {
  const before = jsonMember(previous, name);
  const after = jsonMember(next, name);
  const keys = new Set([before, after].flatMap((map) => (isJsonObject(map) ? Object.keys(map) : [])));
  for (const key of keys) {
    const [was, is] = [read(before, key), read(after, key)];
    if (was !== is) yield [key, was, is];
  }
}

function malformed(rule: string, message: string): never {
  throw new MalformedContentError(rule, message);
}
