import { jsonMember } from '../events/index.js';
import { serverNameOf } from '../identifiers/index.js';
import { reject, type RuleInput } from './rule-input.js';

/** `m.federate: false` where the MXID's server is what counts (rule 3; 4 in version 12). */
export function checkFederatedServer({ event, create, numbers }: RuleInput): void {
  if (jsonMember(create.pdu.content, 'm.federate') !== false) return;
  if (serverNameOf(event.pdu.sender) !== serverNameOf(create.pdu.sender)) {
    reject(numbers.federate, 'the room does not federate');
  }
}
