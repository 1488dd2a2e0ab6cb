/** Where the specification's files themselves are wrong, or ask for what a test does on purpose. */
interface Allowance {
  /** Of the operation's name. */
  readonly operation: RegExp;
  /** Of the fault, as `Contract` words it. */
  readonly fault: RegExp;
  readonly reason: string;
}

const ALLOWANCES: readonly Allowance[] = [
  { operation: /\/((make|send)_(join|leave|knock)|invite)\//, fault: /required property 'origin'$/, reason: 'the event formats of the room versions have no `origin` any more' },
  { operation: /\/v1\/invite\//, fault: /^the answer\/1 must/, reason: 'the same: an event without `origin` is none of what the second part of the pair may be' },
  { operation: /\/keys\/changes$/, fault: /has no to in its query$/, reason: 'COMPAT(other servers): without `to` up to now' },
  { operation: /\/joined_members$/, fault: /\/(display_name|avatar_url) must be string$/, reason: 'COMPAT(SyTest, other servers): both are always there, null where a member has none' },
  { operation: /\/events ?$/, fault: /^the answer\/chunk\/\d+ must have required/, reason: 'COMPAT(other servers): typing, receipts and account data are among them, which are no events of a room' },
  { operation: /\/(events ?|initialSync)$/, fault: /\/invite must have required property/, reason: 'an invitation is shown stripped: it may come from a server that nobody here knows' },
  { operation: /\/room_keys\/version/, fault: /\/algorithm must be equal to one of/, reason: 'COMPAT(other servers): backups of algorithms to come are kept, too' },
  { operation: /\/pushrules\/global\/\{kind\}\/\{ruleId\}$/, fault: /^the answer must be object$/, reason: 'COMPAT(older versions of the specification): without an id, all rules of a kind' },
  { operation: /\/pushers\/set$/, fault: /required property 'kind'$/, reason: '`null` deletes a pusher; elsewhere it is as good as none' },
  { operation: /\/pushers\/set$/, fault: /^answers 201,/, reason: 'MSC4174: a pusher of Web Push has to be confirmed' },
  { operation: /\/media\//, fault: /^answers (206|304|416),/, reason: 'RFC 9110: parts of a file, and a file that the reader has' },
];

/** Whether a fault is none. */
export function allowed(operation: string, fault: string): boolean {
  return ALLOWANCES.some((allowance) => allowance.operation.test(operation) && allowance.fault.test(fault));
}
