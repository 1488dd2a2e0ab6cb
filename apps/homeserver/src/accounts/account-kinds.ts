/** Kinds of operations that homes replicate (protocol §4). */
export type AccountOpKind =
  | 'account_data'
  | 'room_account_data'
  | 'push_rules'
  | 'profile'
  | 'filter'
  | 'device'
  | 'device_keys'
  | 'cross_signing'
  | 'signature'
  | 'fallback_key'
  | 'dehydrated_device'
  | 'key_backup'
  | 'backed_up_key'
  | 'pusher'
  | 'to_device'
  | 'to_device_consumed'
  | 'read_marker'
  | 'invitation'
  | 'media'
  | 'deactivation'
  | 'moderation'
  | 'closed';

/** How concurrent writes of one item are merged (protocol §4). */
export type AccountOpMerge =
  /** Shown is the write that no other knew of with the highest time. */
  | 'last-writer'
  /** The same, but a removal stands against every write that did not know of it. */
  | 'removal-wins'
  /** Every operation is applied; the store merges them, whatever the order. */
  | 'own';

/** How a kind of an account's data is kept the same at all homes. */
export interface AccountKind {
  readonly merge: AccountOpMerge;
  /** Where it is stored: tables with a column `user_id`. */
  readonly tables: readonly string[];
  /** Who writes it, and what an item is. */
  readonly writer: string;
  /** Most bytes of an item, and most items of an account. */
  readonly size: string;
  /** The spec that sees it arrive at another home. */
  readonly test: string;
}

/**
 * Everything of an account that its homes replicate (protocol §4). A store without a row here, or in `keptAtEachHome`, fails the
 * build: what is not named is what gets forgotten.
 */
export const accountKinds: Readonly<Record<AccountOpKind, AccountKind>> = {
  account_data: {
    merge: 'last-writer', tables: ['account_data'], writer: 'clients; a type, ignored users too', size: '64 KiB, 50,000 with those of rooms',
    test: 'test/integration/homes-replication.spec.ts',
  },
  room_account_data: {
    merge: 'last-writer', tables: ['account_data'], writer: 'clients; a type in a room, tags too', size: '64 KiB', test: 'test/integration/account-copies.spec.ts',
  },
  push_rules: {
    merge: 'last-writer', tables: ['account_data'], writer: 'clients; a rule', size: '64 KiB with all rules', test: 'test/integration/account-copies.spec.ts',
  },
  profile: {
    merge: 'last-writer', tables: ['profiles'], writer: 'clients; a field', size: '64 KiB with all fields', test: 'test/integration/accounts-replication.spec.ts',
  },
  filter: {
    merge: 'last-writer', tables: ['filters'], writer: 'clients; a filter, its id is its hash', size: '64 KiB, 1,000', test: 'test/integration/homes-replication.spec.ts',
  },
  device: {
    merge: 'removal-wins', tables: ['devices', 'removed_devices'], writer: 'logins, renaming, removal; a device', size: '255 characters, 1,000',
    test: 'test/homes/removed-devices.spec.ts',
  },
  device_keys: {
    merge: 'last-writer', tables: ['device_keys'], writer: 'clients; a device', size: '64 KiB', test: 'test/homes/devices.spec.ts',
  },
  cross_signing: {
    merge: 'last-writer', tables: ['cross_signing_keys'], writer: 'clients; a usage. The master key is the one that the record pins', size: '64 KiB, 3',
    test: 'test/integration/account-copies.spec.ts',
  },
  signature: {
    merge: 'last-writer', tables: ['key_signatures'], writer: 'clients; a key that a key signs', size: '1 KiB', test: 'test/integration/account-copies.spec.ts',
  },
  fallback_key: {
    merge: 'last-writer', tables: ['fallback_keys'], writer: 'clients; an algorithm of a device', size: '64 KiB', test: 'test/homes/devices.spec.ts',
  },
  dehydrated_device: {
    merge: 'last-writer', tables: ['dehydrated_devices'], writer: 'clients; the device that nobody is logged in with', size: '64 KiB, 1',
    test: 'test/homes/dehydrated-device.spec.ts',
  },
  key_backup: {
    merge: 'removal-wins', tables: ['key_backups'], writer: 'clients; a backup of message keys, by its version', size: '64 KiB, 1,000', test: 'test/homes/key-backup.spec.ts',
  },
  backed_up_key: {
    merge: 'own', tables: ['backed_up_keys'], writer: 'clients; a key in a backup. The better one stays', size: '16 KiB, 100,000 and 64 MiB per backup',
    test: 'test/homes/key-backup.spec.ts',
  },
  pusher: {
    merge: 'last-writer', tables: ['pushers'], writer: 'clients; a pusher. The home that its gateway refuses removes it, the removal of its device, too',
    size: '12 KiB, 100', test: 'test/homes/pushers.spec.ts',
  },
  to_device: {
    merge: 'own', tables: ['to_device_inbox'], writer: 'senders; a message to a device. Union, without those that were received', size: '64 KiB, 20,000 per device',
    test: 'test/homes/to-device-ids.spec.ts',
  },
  to_device_consumed: {
    merge: 'own', tables: ['to_device_consumed', 'to_device_seen'], writer: 'the home at which the device received the message', size: '300 bytes, kept for 90 days',
    test: 'test/homes/to-device-ids.spec.ts',
  },
  read_marker: {
    merge: 'own', tables: ['receipts', 'waiting_read_markers', 'read_sets'],
    writer: 'clients; a receipt or marker in a thread of a room. What is shown goes forward only, what is read is a set', size: '100 event ids',
    test: 'test/homes/read.spec.ts',
  },
  invitation: {
    merge: 'own', tables: ['local_memberships', 'ended_invitations'], writer: 'rooms; an invitation or knock. Its end is final', size: '320 KiB',
    test: 'test/homes/invitations.spec.ts',
  },
  media: {
    merge: 'last-writer', tables: ['media'], writer: 'the home that an upload came to; what its address names. The bytes are fetched by themselves',
    size: '1 KiB, the quota of the files', test: 'test/homes/media.spec.ts',
  },
  deactivation: {
    merge: 'own', tables: [], writer: 'the home at which the account was ended, where the record cannot say it; final', size: '100 bytes, 1',
    test: 'test/homes/ended.spec.ts',
  },
  moderation: {
    merge: 'last-writer', tables: [], writer: 'homes; that the operator has locked or suspended the account there. Shown, not acted upon', size: '100 bytes, one of each home',
    test: 'test/homes/moderation.spec.ts',
  },
  closed: {
    merge: 'last-writer', tables: [], writer: 'homes; how far they hold the log of a former home', size: '1 KiB', test: 'test/integration/homes-replication.spec.ts',
  },
};

/** Stores of accounts that are not replicated, with the reason. */
export const keptAtEachHome: Readonly<Record<string, string>> = {
  accounts: 'password, lock and suspension are of one server; deactivation is the last record',
  access_tokens: 'a session is of one home',
  refresh_tokens: 'a session is of one home',
  delayed_events: 'kept and sent by the home at which they were made',
  profile_tellings: 'which rooms are still to be told by this server',
  directory_users: 'people that this server has seen in rooms',
  login_tokens: 'a token opens a session of one home',
  one_time_keys: 'each home has its own, so that none is given out twice',
  account_data_sizes: 'counted from what is here',
  account_records: 'records prove themselves, and are told apart from the log',
  account_foundings: 'the record that is being made here',
  record_tellings: 'who is still to be told by this server',
  record_room_tellings: 'who is still to be told by this server',
  record_askers: 'who has asked this server',
  record_checks: 'whom this server has asked',
  home_keys: 'the key of this home',
  custody_keys: 'the server that keeps the keys hands them to their owner only',
  account_arrivals: 'what is on its way here',
  account_arrival_rooms: 'what is on its way here',
  account_logs: 'the log itself',
  account_ops: 'the log itself',
  account_op_items: 'the log itself',
  account_op_peers: 'how far the others are',
  account_op_unsettled: 'what is to be shown yet',
  account_former_records: 'each home learns them from the others, with the operations',
  account_log_kinds: 'what of it has been written',
  account_op_heads: 'of version 1',
  account_op_winners: 'of version 1',
  account_op_acks: 'of version 1',
  pushes: 'each home notes what is to be sent, and one of them sends it',
  resume_points: 'of one home, for an hour',
  sliding_connections: 'of one home; a client that moves resumes at the next one',
  device_list_changes: 'follows from the devices and their keys',
  device_list_streams: 'how this home numbers them',
  remote_device_lists: 'a copy of what others have',
  remote_devices: 'a copy of what others have',
};

/** Stores of which an account that has ended keeps its rows, with the reason. Those of all others are deleted. */
export const keptAfterTheEnd: Readonly<Record<string, string>> = {
  accounts: 'the name stays taken',
  media: 'rooms show what was uploaded; it goes where the person wants as much as possible erased',
  account_records: 'the last record',
  record_tellings: 'the others are told of the last record',
  record_room_tellings: 'the same',
  record_askers: 'the same',
  record_checks: 'the last record is asked after, too',
  home_keys: 'signs that the account leaves its rooms',
  custody_keys: 'nobody else could bring the account back',
  device_list_changes: 'others hear that the devices are gone',
  device_list_streams: 'the same',
  account_logs: 'an operation tells the other homes where the record does not; with the last record the logs go',
  account_ops: 'the same',
  account_op_items: 'the same',
  account_op_peers: 'the same',
  account_op_unsettled: 'the same',
  account_log_kinds: 'the same',
  account_former_records: 'the same',
  account_op_heads: 'of version 1; dropped',
  account_op_winners: 'of version 1',
  account_op_acks: 'of version 1; dropped',
  remote_device_lists: 'of users of other servers',
  remote_devices: 'of users of other servers',
};

/** Tables whose rows of an account go when it ends. */
export const erasedTables: readonly string[] = [...new Set([...Object.values(accountKinds).flatMap(({ tables }) => tables), ...Object.keys(keptAtEachHome)])]
  .filter((table) => !Object.hasOwn(keptAfterTheEnd, table));
