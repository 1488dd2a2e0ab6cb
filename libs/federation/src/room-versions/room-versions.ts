import type { RoomVersionRules } from './room-version-rules.js';
import { redactionPortable, redactionV1, redactionV11, redactionV6, redactionV8, redactionV9 } from '../redaction/redaction-rules.js';

const v1: RoomVersionRules = {
  id: '1', stable: true, portable: false, eventId: 'chosen',
  stateResolution: 'v1', roomIdIsCreateHash: false, privilegedCreators: false,
  implicitCreator: false, updatedRedaction: false,
  redactionRule: true, aliasesRule: true, keyValidity: false, notificationLevels: false,
  restrictedJoins: false, knocking: false, knockRestricted: false, integerPowerLevels: false,
  countsCodePoints: true,
  redaction: redactionV1,
};
const v2: RoomVersionRules = { ...v1, id: '2', stateResolution: 'v2' };
const v3: RoomVersionRules = { ...v2, id: '3', eventId: 'hash', redactionRule: false };
const v4: RoomVersionRules = { ...v3, id: '4', eventId: 'url-safe-hash' };
const v5: RoomVersionRules = { ...v4, id: '5', keyValidity: true };
const v6: RoomVersionRules = { ...v5, id: '6', aliasesRule: false, notificationLevels: true, redaction: redactionV6 };
const v7: RoomVersionRules = { ...v6, id: '7', knocking: true };
const v8: RoomVersionRules = { ...v7, id: '8', restrictedJoins: true, redaction: redactionV8 };
const v9: RoomVersionRules = { ...v8, id: '9', redaction: redactionV9 };
const v10: RoomVersionRules = { ...v9, id: '10', knockRestricted: true, integerPowerLevels: true };
const v11: RoomVersionRules = {
  ...v10, id: '11', implicitCreator: true, updatedRedaction: true, countsCodePoints: false, redaction: redactionV11,
};
const v12: RoomVersionRules = {
  ...v11, id: '12', stateResolution: 'v2.1', roomIdIsCreateHash: true, privilegedCreators: true,
};
// Unstable, because other servers must not take it for a version that Matrix knows.
const portable: RoomVersionRules = {
  ...v12, id: 'io.partyline.1', stable: false, portable: true, redaction: redactionPortable,
};

/** Every room version that this server speaks, oldest first. Code reads flags, so another one is another entry here. */
export const roomVersions: readonly RoomVersionRules[] = Object.freeze([v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, portable]);

const byId = new Map(roomVersions.map((rules) => [rules.id, rules]));

/** The rules of a version, or undefined when the version is unknown (`M_INCOMPATIBLE_ROOM_VERSION` for callers). */
export function roomVersion(id: string): RoomVersionRules | undefined {
  return byId.get(id);
}
