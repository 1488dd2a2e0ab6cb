import type { ReplicaAnswer, ReplicaCopy } from './replica-requests.js';

/**
 * The states after each end, as event ids: the current state of a replica that names it, changed as that one says. Others resolve the
 * states after the `prev_events` of an event, and so must who makes it: a current state belongs to all ends of its replica. Of an end that
 * several name each has its say, since one may lie.
 */
export function statesAfter(answers: readonly ReplicaAnswer[], copies: readonly ReplicaCopy[]): Map<string, readonly (readonly string[])[]> {
  const states = new Map<string, Map<string, readonly string[]>>();
  for (const { ends, branches, stateHash } of answers) {
    const current = copies.find((copy) => copy.stateHash === stateHash)?.stateIds ?? [];
    for (const end of ends) {
      const branch = branches.get(end)!;
      const without = new Set(branch.without);
      const said = states.get(end) ?? new Map<string, readonly string[]>();
      states.set(end, said);
      const key = JSON.stringify([stateHash, branch.with, branch.without]);
      if (!said.has(key)) said.set(key, [...current.filter((id) => !without.has(id)), ...branch.with]);
    }
  }
  return new Map([...states].map(([end, said]) => [end, [...said.values()]]));
}
