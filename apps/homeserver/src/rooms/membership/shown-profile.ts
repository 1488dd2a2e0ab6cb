import type { JsonObject } from '#federation';

/** The part of a profile that member events show. */
export function shownProfile(profile: JsonObject): JsonObject {
  const shown: JsonObject = {};
  if (typeof profile['displayname'] === 'string') shown['displayname'] = profile['displayname'];
  if (typeof profile['avatar_url'] === 'string') shown['avatar_url'] = profile['avatar_url'];
  return shown;
}
