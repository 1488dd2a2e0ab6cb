import type { ReplicaAnswer, ReplicaCopy } from './replica-requests.js';

/**
 * The state after each end, as event ids: the current state of a replica that names it, changed as that one says. Others resolve the
 * states after the `prev_events` of an event, and so must who makes it: a current state belongs to all ends of its replica.
 */
export function statesAfter(answers: readonly ReplicaAnswer[], copies: readonly ReplicaCopy[]): Map<string, readonly string[]> {
  const states = new Map<string, readonly string[]>();
  for (const { ends, branches, stateHash } of answers) {
    const current = copies.find((copy) => copy.stateHash === stateHash)?.stateIds ?? [];
    for (const end of ends) {
      const branch = branches.get(end)!;
      const without = new Set(branch.without);
      if (!states.has(end)) states.set(end, [...current.filter((id) => !without.has(id)), ...branch.with]);
    }
  }
  return states;
}
