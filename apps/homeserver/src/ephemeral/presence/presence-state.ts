/** How reachable somebody is, the most reachable first. */
export const presenceNames = ['online', 'unavailable', 'offline'] as const;
export type PresenceName = (typeof presenceNames)[number];

/** What is known of somebody's presence (Client-Server, "Presence"). */
export interface PresenceState {
  readonly presence: PresenceName;
  /** Milliseconds of the steady clock; null when the person was not seen since the start. */
  readonly lastActiveAt: number | null;
  /** `currently_active`. */
  readonly isActive: boolean;
  readonly statusMsg: string | null;
}

export const OFFLINE: PresenceState = { presence: 'offline', lastActiveAt: null, isActive: false, statusMsg: null };

/** As clients and servers are told it. */
export interface PresenceContent {
  readonly presence: PresenceName;
  readonly last_active_ago?: number;
  readonly currently_active?: boolean;
  readonly status_msg?: string;
}

/**
 * One presence of several, such as those of an account's homes: who is online anywhere is online, and was active when he last was anywhere. Of
 * status messages that of the most recently active counts.
 */
export function combined(states: Iterable<PresenceState>): PresenceState {
  let all = OFFLINE;
  for (const state of states) {
    const isLater = (state.lastActiveAt ?? -Infinity) > (all.lastActiveAt ?? -Infinity);
    const [first, second] = isLater ? [state, all] : [all, state];
    all = {
      presence: presenceNames.indexOf(state.presence) < presenceNames.indexOf(all.presence) ? state.presence : all.presence,
      lastActiveAt: first.lastActiveAt,
      isActive: all.isActive || state.isActive,
      statusMsg: first.statusMsg ?? second.statusMsg,
    };
  }
  return all;
}

/** Whether nobody has to be told of the difference: the time of the last activity goes on by itself. */
export function looksSame(a: PresenceState, b: PresenceState): boolean {
  return a.presence === b.presence && a.isActive === b.isActive && a.statusMsg === b.statusMsg;
}

/** @param now milliseconds of the steady clock */
export function presenceContent({ presence, lastActiveAt, isActive, statusMsg }: PresenceState, now: number): PresenceContent {
  return {
    presence,
    ...(lastActiveAt === null ? {} : { last_active_ago: Math.max(0, Math.floor(now - lastActiveAt)) }),
    ...(presence === 'online' ? { currently_active: isActive } : {}),
    ...(statusMsg === null ? {} : { status_msg: statusMsg }),
  };
}
