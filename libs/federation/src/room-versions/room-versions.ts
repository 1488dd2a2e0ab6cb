import type { RoomVersionRules } from './room-version-rules.js';
import { redactionPortable, redactionV11, redactionV9 } from '../redaction/redaction-rules.js';

const v10: RoomVersionRules = {
  id: '10', stable: true, portable: false,
  stateResolution: 'v2', roomIdIsCreateHash: false, privilegedCreators: false,
  implicitCreator: false, updatedRedaction: false,
  restrictedJoins: true, knocking: true, knockRestricted: true, integerPowerLevels: true,
  redaction: redactionV9,
};
const v11: RoomVersionRules = {
  ...v10, id: '11', implicitCreator: true, updatedRedaction: true, redaction: redactionV11,
};
const v12: RoomVersionRules = {
  ...v11, id: '12', stateResolution: 'v2.1', roomIdIsCreateHash: true, privilegedCreators: true,
};
// Unstable, because other servers must not take it for a version that Matrix knows.
const portable: RoomVersionRules = {
  ...v12, id: 'io.partyline.1', stable: false, portable: true, redaction: redactionPortable,
};

/** Every room version that this server speaks, oldest first. Their code reads flags, so older ones can be added here. */
export const roomVersions: readonly RoomVersionRules[] = Object.freeze([v10, v11, v12, portable]);

const byId = new Map(roomVersions.map((rules) => [rules.id, rules]));

/** The rules of a version, or undefined when the version is unknown (`M_INCOMPATIBLE_ROOM_VERSION` for callers). */
export function roomVersion(id: string): RoomVersionRules | undefined {
  return byId.get(id);
}
