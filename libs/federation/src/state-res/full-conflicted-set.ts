import type { RoomVersionRules } from '../room-versions/index.js';
import { authChain, type EventLookup } from './event-graph.js';
import type { SplitStates, StateMap } from './split-states.js';

/**
 * The full conflicted set: the conflicted state, the auth difference, and in version 2.1 the conflicted state subgraph.
 * Ids that the lookup does not know are left out: nothing can be said about them.
 */
export function fullConflictedSet(
  sets: readonly StateMap[], split: SplitStates, lookup: EventLookup, rules: RoomVersionRules,
): Set<string> {
  const chains = sets.map((set) => authChain([...set.values()].filter((id) => split.conflicted.has(id)), lookup));
  const full = new Set(split.conflicted);
  for (const id of authDifference(chains, split, lookup)) full.add(id);
  if (rules.stateResolution === 'v2.1') {
    for (const id of conflictedSubgraph(chains, split.conflicted, lookup)) full.add(id);
  }
  for (const id of full) if (!lookup(id)) full.delete(id);
  return full;
}

/**
 * The events that are in some set's full auth chain and not in every one.
 *
 * Chains hold the events of the states as well, as other servers have it: an unconflicted event that only one side
 * cites is then in every chain. The chains given start from the conflicted events only; what the unconflicted ones
 * lead to is in every set's chain, so it is looked at only when there is something that it could take away.
 */
function authDifference(
  chains: ReadonlyArray<ReadonlySet<string>>, split: SplitStates, lookup: EventLookup,
): Set<string> {
  const difference = new Set<string>();
  for (const chain of chains) {
    for (const id of chain) if (!chains.every((other) => other.has(id))) difference.add(id);
  }
  const agreed = new Set(split.unconflicted.values());
  for (const id of agreed) difference.delete(id);
  if (difference.size === 0) return difference;
  for (const id of authChain(agreed, lookup)) difference.delete(id);
  return difference;
}

/**
 * The conflicted state subgraph (MSC4297): every event on a path of auth events from one conflicted event to another.
 * Everything in the chains is reached from a conflicted event; what remains is which of it leads to one.
 */
function conflictedSubgraph(
  chains: ReadonlyArray<ReadonlySet<string>>, conflicted: ReadonlySet<string>, lookup: EventLookup,
): Set<string> {
  const citedBy = new Map<string, string[]>();
  const reached = new Set<string>(conflicted);
  for (const chain of chains) for (const id of chain) reached.add(id);
  for (const id of reached) {
    for (const parent of lookup(id)?.pdu.auth_events ?? []) {
      const citing = citedBy.get(parent);
      if (citing) citing.push(id);
      else citedBy.set(parent, [id]);
    }
  }
  const subgraph = new Set<string>();
  const stack = [...conflicted];
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    for (const citing of citedBy.get(id) ?? []) {
      if (subgraph.has(citing)) continue;
      subgraph.add(citing);
      stack.push(citing);
    }
  }
  return subgraph;
}
