import { canonicalJson, CanonicalJsonError, type JsonObject, sha256, urlSafeUnpaddedBase64 } from '#federation';
import { parseStoredJson } from '#json';

/**
 * Names a message to a device, the same at all homes of its recipient (protocol §5): URL-safe Base64 of the SHA-256 of the
 * canonical JSON of `[sender, message id, type, content]`. Two equal messages have two ids. What canonical JSON cannot hold (a
 * fraction) never leaves the homes of one account, which have the same text of it.
 *
 * @param json text of the event as the client gets it
 */
export function toDeviceId({ sender, messageId, json }: { sender: string; messageId: string; json: string }): string {
  const { type, content } = parseStoredJson(json) as JsonObject;
  return urlSafeUnpaddedBase64(sha256(named([sender, messageId, type ?? null, content ?? null], json)));
}

function named(parts: Parameters<typeof canonicalJson>[0] & unknown[], json: string): string {
  try {
    return canonicalJson(parts);
  } catch (error) {
    if (!(error instanceof CanonicalJsonError)) throw error;
    return JSON.stringify([parts[0], parts[1], json]);
  }
}
