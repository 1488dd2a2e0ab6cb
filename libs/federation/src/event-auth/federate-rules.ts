import { jsonMember } from '../events/index.js';
import { serverNameOf } from '../identifiers/index.js';
import { reject, type RuleInput } from './rule-input.js';

/**
 * `m.federate: false` where the MXID's server is what counts (rule 3; 4 in version 12). Other servers take whatever is there and is not
 * `true` for it, `null` too.
 */
export function checkFederatedServer({ event, create, numbers }: RuleInput): void {
  const federates = jsonMember(create.pdu.content, 'm.federate');
  if (federates === undefined || federates === true) return;
  if (serverNameOf(event.pdu.sender) !== serverNameOf(create.pdu.sender)) {
    reject(numbers.federate, 'the room does not federate');
  }
}
