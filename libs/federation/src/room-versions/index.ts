export type { RoomVersionRules } from './room-version-rules.js';
export { roomVersion, roomVersions } from './room-versions.js';
