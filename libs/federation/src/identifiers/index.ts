export {
  isEventId, isRoomAlias, isRoomId, isUserId, localpartOf, MAX_IDENTIFIER_BYTES, serverNameOf,
} from './identifiers.js';
export { isServerName, parseServerName, type ParsedServerName } from './server-name.js';
