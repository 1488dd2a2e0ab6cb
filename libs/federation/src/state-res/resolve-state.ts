import type { RoomEvent } from '../events/index.js';
import { stateKeyOf } from '../events/index.js';
import type { RoomVersionRules } from '../room-versions/index.js';
import { countingStates } from './counting-states.js';
import type { EventLookup } from './event-graph.js';
import { fullConflictedSet } from './full-conflicted-set.js';
import { takeHighestRecords } from './highest-members.js';
import { applyIterativeAuthChecks, isAllowed, type AuthChecksInput } from './iterative-auth-checks.js';
import { splitKnown, withKnown } from './known-records.js';
import { mainlineOrdering } from './mainline-ordering.js';
import { isPowerEvent } from './power-events.js';
import { resolveStateV1 } from './resolve-state-v1.js';
import { powerOrdering } from './power-ordering.js';
import { splitStates, type StateMap } from './split-states.js';
import type { StateResolutionInput } from './state-resolution-input.js';

/**
 * State resolution, version 1, 2 or 2.1 as the room version says ("State resolution" in room versions 2 and 12; MSC4297).
 * The result does not depend on the order of the sets, nor on sets that occur twice.
 *
 * @returns `stateKeyOf` → event id
 */
export function resolveState(input: StateResolutionInput): Map<string, string> {
  const { rules, roomId } = input;
  if (rules.stateResolution === 'v1') return resolveStateV1(input);
  const lookup: EventLookup = (id) => input.event(id);
  // Portable rooms: what is known beyond what is shown takes no part in what is shown.
  const { states: stateSets, beyond } = rules.portable ? splitKnown(input.stateSets) : { states: input.stateSets, beyond: [] };
  const given = splitStates(stateSets);
  if (given.conflicted.size === 0) return withKnown(given.unconflicted, beyond.flatMap((known) => [...known.values()]), lookup);

  const create = rules.roomIdIsCreateHash ? lookup('$' + roomId.slice(1)) : undefined;
  const base = { rules, lookup, isRejected: (id: string) => input.isRejected(id), ctx: input.ctx, create };
  // Portable rooms: what homes did beside their revocation is out, as if it had been rejected.
  const { split, full, revoked, known } = rules.portable
    ? countingStates(stateSets, beyond, lookup, rules, (event, cited) => !isAllowed(event, NOTHING, { ...base, revoked: new Set([cited]) }))
    : { split: given, full: fullConflictedSet(stateSets, given, lookup, rules), revoked: new Set<string>(), known: new Set<string>() };
  const checks: AuthChecksInput = { ...base, revoked };

  // 1, 2: what takes power away, with what it rests on. Version 2.1 starts from nothing, so that a state which merely
  // was not in conflict cannot outweigh events that came after it.
  const powerful = powerSet(full, revoked, lookup, rules);
  const state = rules.stateResolution === 'v2.1' ? new Map<string, string>() : new Map(split.unconflicted);
  applyIterativeAuthChecks(state, powerOrdering(powerful, rules, lookup, create, revoked), checks);

  // 3, 4: everything else, along the history of the power levels that came out.
  const rest: RoomEvent[] = [];
  for (const id of full) {
    const event = powerful.has(id) ? undefined : lookup(id);
    if (event) rest.push(event);
  }
  const levelsId = state.get(stateKeyOf('m.room.power_levels', ''));
  const levels = levelsId === undefined ? undefined : lookup(levelsId);
  applyIterativeAuthChecks(state, mainlineOrdering(rest, levels, lookup, rules.portable ? revoked : undefined), checks);

  if (rules.portable) takeHighestRecords(state, countingEvents(full, revoked, lookup), lookup, (event) => isAllowed(event, state, checks));

  // 5: what nobody contested stands.
  for (const [key, id] of split.unconflicted) state.set(key, id);
  return withKnown(state, known, lookup);
}

const NOTHING: StateMap = new Map();
/** State that the rules consult. */
const AUTH_TYPES: ReadonlySet<string> = new Set(['m.room.member', 'm.room.power_levels', 'm.room.join_rules', 'm.room.third_party_invite']);

/**
 * The power events of the full conflicted set, enlarged by their auth chains as far as these lie in the set. The walk
 * stays in the set, as other servers' does; the subgraph of version 2.1 is there so that nothing is cut off by that.
 *
 * Portable rooms: what is cited only because it stands, or was replaced, gives nobody power.
 */
function powerSet(full: ReadonlySet<string>, revoked: ReadonlySet<string>, lookup: EventLookup, rules: RoomVersionRules): Set<string> {
  const found = new Set<string>();
  const stack: string[] = [];
  for (const id of full) {
    const event = lookup(id);
    if (event && !revoked.has(id) && isPowerEvent(event)) stack.push(id);
  }
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    if (found.has(id)) continue;
    found.add(id);
    for (const parent of lookup(id)?.pdu.auth_events ?? []) {
      if (full.has(parent) && !found.has(parent) && (!rules.portable || hasSay(lookup(parent)))) stack.push(parent);
    }
  }
  return found;
}

function hasSay(event: RoomEvent | undefined): boolean {
  return event !== undefined && AUTH_TYPES.has(event.pdu.type);
}

function* countingEvents(full: ReadonlySet<string>, revoked: ReadonlySet<string>, lookup: EventLookup): Generator<RoomEvent> {
  for (const id of full) {
    const event = revoked.has(id) ? undefined : lookup(id);
    if (event) yield event;
  }
}
