import { matchesGlob, parseServerName, type StateReader } from '#federation';

/**
 * Whether a server may take part in a room (Client-Server, "Server Access Control Lists"). Without the state event everybody may.
 * A malformed list denies, as the specification says of missing `allow`.
 */
export function isAllowedByAcl(state: StateReader, server: string): boolean {
  const acl = state.get('m.room.server_acl', '')?.pdu.content;
  if (!acl) return true;
  const parsed = parseServerName(server);
  if (!parsed) return false;
  if (acl['allow_ip_literals'] === false && parsed.isIpLiteral) return false;
  const host = parsed.host.toLowerCase();
  const matches = (list: unknown) => Array.isArray(list) && list.some((glob) => typeof glob === 'string' && matchesGlob(host, glob.toLowerCase()));
  return !matches(acl['deny']) && matches(acl['allow']);
}
