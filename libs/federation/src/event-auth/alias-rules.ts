import { serverNameOf } from '../identifiers/index.js';
import { reject, type RuleInput } from './rule-input.js';

/** `m.room.aliases` up to room version 5 (rule 4): each server lists its own, whether it is in the room or not. */
export function checkAliases({ event }: RuleInput): void {
  const { sender, state_key: stateKey } = event.pdu;
  if (stateKey === undefined) reject('4.1', 'aliases without a state_key');
  if (stateKey !== serverNameOf(sender)) reject('4.2', 'the aliases are of another server');
}
