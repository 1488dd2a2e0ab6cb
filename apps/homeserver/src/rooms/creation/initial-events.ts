import type { JsonObject, RoomVersionRules } from '#federation';

/** Presets of `createRoom`. */
export type RoomPreset = 'private_chat' | 'trusted_private_chat' | 'public_chat';

/** What `createRoom` takes into account for the first events, validated (client-server/create_room.yaml). */
export interface RoomRequest {
  readonly visibility: 'public' | 'private';
  readonly preset: RoomPreset;
  readonly name?: string;
  readonly topic?: string;
  readonly invite: readonly string[];
  readonly isDirect: boolean;
  readonly creationContent: JsonObject;
  readonly initialState: readonly { readonly type: string; readonly stateKey: string; readonly content: JsonObject }[];
  readonly powerLevelOverride: JsonObject;
  readonly canonicalAlias?: string;
}

/** A state event to be sent right after the creator's join. */
export interface InitialEvent {
  readonly type: string;
  readonly stateKey: string;
  readonly content: JsonObject;
}

const presets = {
  private_chat: { joinRule: 'invite', historyVisibility: 'shared', guestAccess: 'can_join', invite: 0 },
  trusted_private_chat: { joinRule: 'invite', historyVisibility: 'shared', guestAccess: 'can_join', invite: 0 },
  // Whoever likes comes in by himself. Who may invite may also let others in where the rule becomes a restricted one.
  public_chat: { joinRule: 'public', historyVisibility: 'shared', guestAccess: 'forbidden', invite: 50 },
} as const;

/**
 * The content of the create event. Servers set `room_version` and, before version 11, `creator`; a trusted private chat of
 * version 12 makes the invitees creators.
 */
export function createContent(request: RoomRequest, rules: RoomVersionRules, creator: string): JsonObject {
  const content: JsonObject = { ...request.creationContent, room_version: rules.id };
  if (rules.implicitCreator) delete content['creator'];
  else content['creator'] = creator;
  if (!rules.privilegedCreators || request.preset !== 'trusted_private_chat') return content;
  const asked = Array.isArray(content['additional_creators']) ? content['additional_creators'] : [];
  const creators = [...new Set([...asked, ...request.invite])].filter((user) => user !== creator);
  return creators.length > 0 ? { ...content, additional_creators: creators } : content;
}

/**
 * The state events of a new room after the creator's join, in the order of the specification: power levels, canonical alias,
 * preset, initial_state, name, topic. What initial_state sets replaces the preset's; name and topic win over both.
 */
export function initialEvents(request: RoomRequest, rules: RoomVersionRules, creator: string): InitialEvent[] {
  const events = new Map<string, InitialEvent>();
  const put = (type: string, content: JsonObject, stateKey = '') => {
    const key = `${type}\u0000${stateKey}`;
    events.delete(key);
    events.set(key, { type, stateKey, content });
  };
  const preset = presets[request.preset];
  put('m.room.power_levels', powerLevels(request, rules, creator));
  if (request.canonicalAlias) put('m.room.canonical_alias', { alias: request.canonicalAlias });
  put('m.room.join_rules', { join_rule: preset.joinRule });
  put('m.room.history_visibility', { history_visibility: preset.historyVisibility });
  if (preset.guestAccess === 'can_join') put('m.room.guest_access', { guest_access: 'can_join' });
  for (const { type, stateKey, content } of request.initialState) put(type, content, stateKey);
  if (request.name !== undefined) put('m.room.name', { name: request.name });
  if (request.topic !== undefined) {
    put('m.room.topic', { topic: request.topic, 'm.topic': { 'm.text': [{ body: request.topic }] } });
  }
  return [...events.values()];
}

function powerLevels(request: RoomRequest, rules: RoomVersionRules, creator: string): JsonObject {
  const users: JsonObject = {};
  if (!rules.privilegedCreators) {
    users[creator] = 100;
    if (request.preset === 'trusted_private_chat') for (const user of request.invite) users[user] = 100;
  }
  return {
    users,
    users_default: 0,
    events: {
      'm.room.name': 50,
      'm.room.power_levels': 100,
      'm.room.history_visibility': 100,
      'm.room.canonical_alias': 50,
      'm.room.avatar': 50,
      // Whoever can replace the room must stand above everybody who is not a creator (version 12).
      'm.room.tombstone': rules.privilegedCreators ? 150 : 100,
      'm.room.server_acl': 100,
      'm.room.encryption': 100,
    },
    events_default: 0,
    state_default: 50,
    ban: 50,
    kick: 50,
    redact: 50,
    invite: presets[request.preset].invite,
    historical: 100,
    ...request.powerLevelOverride,
  };
}
