/** A member event as far as routing needs it. */
export interface MemberContent {
  readonly membership: string;
  /** Servers that act for the member: its domain, in portable rooms its homes. */
  readonly servers: readonly string[];
}

/** A change of one member's event. */
export interface MemberChange {
  readonly pos: number;
  readonly now: MemberContent | undefined;
  readonly before: MemberContent | undefined;
}

/** Stream positions, both included, of the events of a room that a server is to get. */
export interface ServedWindow {
  readonly from: number;
  readonly to: number;
}

/**
 * When a server took part in a room through one of its members. An event that ends the membership belongs to the window,
 * what comes after it does not, so that a server that was away when its user was kicked learns of that and of nothing else.
 *
 * @param current the member's event now
 * @param changes later than `after`, in order
 * @param after position from which on the windows are wanted
 */
export function servedWindows(
  server: string, current: MemberContent | undefined, changes: readonly MemberChange[], after: number,
): ServedWindow[] {
  const isServed = (member: MemberContent | undefined) => member?.membership === 'join' && member.servers.includes(server);
  const windows: ServedWindow[] = [];
  let served = isServed(changes.length > 0 ? changes[0]!.before : current);
  let from = after + 1;
  for (const { pos, now, before } of changes) {
    if (served && !isServed(now)) windows.push({ from, to: pos });
    // An invitation that was taken back, or a ban: one event for the server of the one it is about.
    else if (!served && !isServed(now) && (now ?? before)?.servers.includes(server)) windows.push({ from: pos, to: pos });
    else if (!served && isServed(now)) from = pos;
    served = isServed(now);
  }
  if (served) windows.push({ from, to: Number.MAX_SAFE_INTEGER });
  return windows;
}
