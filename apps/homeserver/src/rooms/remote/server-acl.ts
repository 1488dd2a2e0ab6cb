import { parseServerName, type StateReader } from '#federation';

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

/** `*` stands for any number of characters, `?` for one. Linear: patterns come from anybody. */
export function matchesGlob(text: string, glob: string): boolean {
  let t = 0;
  let g = 0;
  let star = -1;
  let retry = 0;
  while (t < text.length) {
    if (g < glob.length && (glob[g] === '?' || (glob[g] !== '*' && glob[g] === text[t]))) {
      t++;
      g++;
    } else if (glob[g] === '*') {
      star = g++;
      retry = t;
    } else if (star >= 0) {
      g = star + 1;
      t = ++retry;
    } else return false;
  }
  while (glob[g] === '*') g++;
  return g === glob.length;
}
