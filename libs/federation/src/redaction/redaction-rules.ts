/** What `redactPdu` keeps. Data, so that another room version is another table entry. */
export interface RedactionRules {
  /** Top-level properties that stay. */
  readonly topLevel: ReadonlySet<string>;
  /**
   * Event type → what stays of its `content`: `'all'`, or a list of keys, or for a key that is itself reduced a pair
   * of it and the keys kept inside. Types not named keep nothing.
   */
  readonly content: ReadonlyMap<string, 'all' | readonly (string | readonly [key: string, inner: readonly string[]])[]>;
}

const KEPT_ALWAYS = [
  'event_id', 'type', 'room_id', 'sender', 'state_key', 'content', 'hashes', 'signatures', 'depth', 'prev_events',
  'auth_events', 'origin_server_ts',
];
const POWER_LEVELS = ['ban', 'events', 'events_default', 'kick', 'redact', 'state_default', 'users', 'users_default'];

/** Room versions 6 and 7. */
export const redactionV6: RedactionRules = {
  topLevel: new Set([...KEPT_ALWAYS, 'prev_state', 'origin', 'membership']),
  content: new Map<string, 'all' | readonly string[]>([
    ['m.room.member', ['membership']],
    ['m.room.create', ['creator']],
    ['m.room.join_rules', ['join_rule']],
    ['m.room.power_levels', POWER_LEVELS],
    ['m.room.history_visibility', ['history_visibility']],
  ]),
};

/** Room versions 1 to 5. */
export const redactionV1: RedactionRules = {
  topLevel: redactionV6.topLevel,
  content: new Map([...redactionV6.content, ['m.room.aliases', ['aliases']]]),
};

/** Room version 8 (MSC3083). */
export const redactionV8: RedactionRules = {
  topLevel: redactionV6.topLevel,
  content: new Map([...redactionV6.content, ['m.room.join_rules', ['join_rule', 'allow']]]),
};

/** Room versions 9 and 10 (MSC3375). */
export const redactionV9: RedactionRules = {
  topLevel: redactionV6.topLevel,
  content: new Map([...redactionV8.content, ['m.room.member', ['membership', 'join_authorised_via_users_server']]]),
};

/** Room versions 11 and 12 (MSC2174, MSC2176, MSC3821). */
export const redactionV11: RedactionRules = {
  topLevel: new Set(KEPT_ALWAYS),
  content: new Map([
    ...redactionV9.content,
    ['m.room.member', ['membership', 'join_authorised_via_users_server', ['third_party_invite', ['signed']] as const]],
    ['m.room.create', 'all'],
    ['m.room.power_levels', [...POWER_LEVELS, 'invite']],
    ['m.room.redaction', ['redacts']],
  ]),
};

/**
 * Portable rooms (protocol §3): version 11's, and `home` and the members' `home_record`, without which nobody could
 * check a redacted event's signature, and what the auth rules look at: whom an invitation or a level means, whether a
 * member event carries a record or releases a name, and which home let somebody in. The create event keeps its record because it keeps all of its content.
 *
 * `txn` goes. It is in the content hash only, like the content itself: what a person sent is removed as a whole, and a
 * server that receives just the redacted event has no client that could repeat the transaction to it.
 */
export const redactionPortable: RedactionRules = {
  topLevel: new Set([...KEPT_ALWAYS, 'home']),
  content: new Map([
    ...redactionV11.content,
    ['m.room.member', [
      'membership', 'join_authorised_via_users_server', ['third_party_invite', ['signed']] as const, 'home_record',
      'io.partyline.authorised_home', 'genesis_sha256', 'io.partyline.carries', 'io.partyline.release',
    ]],
    ['m.room.power_levels', [...POWER_LEVELS, 'invite', 'io.partyline.genesis']],
  ]),
};
