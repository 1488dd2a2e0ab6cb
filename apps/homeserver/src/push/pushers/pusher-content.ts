import { z } from 'zod';
import { parseStoredJson } from '#json';
import type { AccountChange } from '../../accounts/account-ops.js';
import { text } from '../../http/query-schemas.js';
import type { Pusher } from './pusher.entity.js';

/** Bytes of what a pusher's gateway is handed. */
export const MAX_DATA_BYTES = 8 * 1024;
const MAX_NAME = 255;

/** What names a pusher of an account. */
export interface PusherName {
  readonly appId: string;
  readonly pushkey: string;
}

/** A pusher as it was set, without what this home makes of it. */
export type PusherContent = Pick<
  Pusher, 'appId' | 'pushkey' | 'kind' | 'deviceId' | 'appDisplayName' | 'deviceDisplayName' | 'profileTag' | 'lang' | 'data' | 'setTs' | 'vapidKey' | 'isActive'
>;

/** Members of a pusher that are texts of its app, for the app and the person. */
export const pusherTexts = {
  app_display_name: text(MAX_NAME), device_display_name: text(MAX_NAME), profile_tag: text(MAX_NAME).optional(), lang: text(64),
} as const;
export const appIdSchema = text(64).min(1);
export const pushkeySchema = text(512).min(1);

const nameSchema = z.tuple([appIdSchema, pushkeySchema]);
const contentSchema = z.object({
  ...pusherTexts,
  kind: z.enum(['http', 'webpush']),
  device_id: text(MAX_NAME).nullable(),
  data: text(MAX_DATA_BYTES).refine(isObject),
  set_ts: z.int().min(0),
  vapid_key: text(64).nullable(),
  is_active: z.boolean(),
});

/** What of a stored pusher is what was set. */
export function contentOf(pusher: Pusher): PusherContent {
  const { appId, pushkey, kind, deviceId, appDisplayName, deviceDisplayName, profileTag, lang, data, setTs, vapidKey, isActive } = pusher;
  return { appId, pushkey, kind, deviceId, appDisplayName, deviceDisplayName, profileTag, lang, data, setTs, vapidKey, isActive };
}

/** The operation that tells the other homes of a pusher (protocol §4, kind `pusher`). */
export function pusherChange(pusher: PusherContent): AccountChange {
  return {
    kind: 'pusher',
    key: JSON.stringify([pusher.appId, pusher.pushkey]),
    value: {
      kind: pusher.kind, device_id: pusher.deviceId, app_display_name: pusher.appDisplayName, device_display_name: pusher.deviceDisplayName,
      profile_tag: pusher.profileTag, lang: pusher.lang, data: pusher.data, set_ts: pusher.setTs, vapid_key: pusher.vapidKey, is_active: pusher.isActive,
    },
  };
}

/** That a pusher is gone. */
export function pusherRemoval({ appId, pushkey }: PusherName): AccountChange {
  return { kind: 'pusher', key: JSON.stringify([appId, pushkey]), value: null };
}

/** What another home tells of a pusher; null content for one that is gone, undefined for what is none. */
export function readPusherChange({ key, value }: Pick<AccountChange, 'key' | 'value'>): { name: PusherName; content: PusherContent | null } | undefined {
  const parts = nameSchema.safeParse(parsed(key)).data;
  if (!parts) return undefined;
  const name = { appId: parts[0], pushkey: parts[1] };
  if (value === null) return { name, content: null };
  const told = contentSchema.safeParse(value).data;
  return told && {
    name,
    content: {
      ...name, kind: told.kind, deviceId: told.device_id, appDisplayName: told.app_display_name, deviceDisplayName: told.device_display_name,
      profileTag: told.profile_tag ?? '', lang: told.lang, data: told.data, setTs: told.set_ts, vapidKey: told.vapid_key, isActive: told.is_active,
    },
  };
}

function parsed(json: string): unknown {
  try {
    return parseStoredJson(json);
  } catch {
    return undefined;
  }
}

function isObject(json: string): boolean {
  const value = parsed(json);
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
