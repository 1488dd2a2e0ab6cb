import { isUserId } from '#federation';
import { presenceContent, presenceNames, type PresenceName, type PresenceState } from './presence-state.js';

/** People of one EDU that are looked at. */
const MAX_PEOPLE = 1_000;
/** Bytes of a status message. */
export const MAX_STATUS_BYTES = 1_024;

/** What an `m.presence` EDU says of one person. */
export interface PresencePush {
  readonly userId: string;
  readonly state: PresenceState;
}

/**
 * The readable ones among those of whom an EDU tells.
 *
 * @param now milliseconds of the steady clock
 */
export function readPresenceEdu({ push }: Record<string, unknown>, now: number): PresencePush[] {
  const found: PresencePush[] = [];
  for (const item of Array.isArray(push) ? push.slice(0, MAX_PEOPLE) : []) {
    const { user_id: userId, presence, last_active_ago: ago, currently_active: isActive, status_msg: statusMsg } = (item ?? {}) as Record<string, unknown>;
    if (!isUserId(userId, { historical: true }) || !isPresence(presence)) continue;
    const state: PresenceState = {
      presence,
      lastActiveAt: typeof ago === 'number' && ago >= 0 && Number.isSafeInteger(ago) ? now - ago : null,
      isActive: presence === 'online' && isActive === true,
      statusMsg: typeof statusMsg === 'string' && statusMsg !== '' && Buffer.byteLength(statusMsg) <= MAX_STATUS_BYTES ? statusMsg : null,
    };
    found.push({ userId, state });
  }
  return found;
}

/** @param now milliseconds of the steady clock */
export function presencePush({ userId, state }: PresencePush, now: number): Record<string, unknown> {
  // The specification wants a time of the last activity in any case.
  return { user_id: userId, last_active_ago: 0, ...presenceContent(state, now) };
}

function isPresence(value: unknown): value is PresenceName {
  return (presenceNames as readonly unknown[]).includes(value);
}
