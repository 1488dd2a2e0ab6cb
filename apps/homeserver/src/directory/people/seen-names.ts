import { parseStoredJson } from '#json';
import type { SeenName } from './people.store.js';

const MAX_TEXT = 1_024;

/** What a member event says of somebody who is joined; undefined for other events. */
export function seenNameOf(event: { readonly type: string; readonly state_key?: string | undefined; readonly content: Readonly<Record<string, unknown>> }): SeenName | undefined {
  const { type, state_key: userId, content } = event;
  if (type !== 'm.room.member' || userId === undefined || content['membership'] !== 'join') return undefined;
  return { userId, displayName: textOf(content['displayname']), avatarUrl: textOf(content['avatar_url']) };
}

/** The same of an event as it is stored. */
export function seenNameIn(json: string): SeenName | undefined {
  return seenNameOf(parseStoredJson(json) as unknown as Parameters<typeof seenNameOf>[0]);
}

function textOf(value: unknown): string | null {
  // PostgreSQL stores no NUL.
  return typeof value === 'string' && value !== '' && !value.includes('\0') ? value.slice(0, MAX_TEXT) : null;
}
