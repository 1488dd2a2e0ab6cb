const TYPE = /^[\w!#$&^.+-]{1,100}\/[\w!#$&^.+-]{1,100}$/;
const HEADER = /^[\x20-\x7e]{1,255}$/;
export const UNKNOWN_TYPE = 'application/octet-stream';

/** Client-server API, §Serving inline content. */
const INLINE = new Set([
  'text/css', 'text/plain', 'text/csv', 'application/json', 'application/ld+json',
  'image/jpeg', 'image/gif', 'image/png', 'image/apng', 'image/webp', 'image/avif',
  'video/mp4', 'video/webm', 'video/ogg', 'video/quicktime',
  'audio/mp4', 'audio/webm', 'audio/aac', 'audio/mpeg', 'audio/ogg', 'audio/wave', 'audio/wav', 'audio/x-wav', 'audio/x-pn-wav', 'audio/flac', 'audio/x-flac',
]);
/** Types that their first bytes do not show. */
const WITHOUT_MARK = new Set(['image/svg+xml']);

/** A type that can be stored and sent as a header; `application/octet-stream` for what cannot. */
export function storableType(claimed: string | null | undefined): string {
  const text = claimed?.trim() ?? '';
  return HEADER.test(text) && TYPE.test(essence(text)) ? text : UNKNOWN_TYPE;
}

/**
 * The type with which a file is served. Pictures, sound and films have to look like some: what claims to be one and is not, such as an
 * encrypted file, is `application/octet-stream` (client-server API, `GET /media/download`, "reasonably close").
 */
export function servedType(claimed: string, sniffed: string | null): string {
  const type = essence(claimed);
  const kind = kindOf(type);
  if (kind === 'other' || WITHOUT_MARK.has(type)) return claimed;
  return sniffed !== null && kindOf(sniffed) === kind ? claimed : UNKNOWN_TYPE;
}

/** Whether a browser may show it in place. */
export function isInline(type: string): boolean {
  return INLINE.has(essence(type));
}

/** Without parameters. */
function essence(type: string): string {
  return type.split(';', 1)[0]!.trim().toLowerCase();
}

function kindOf(type: string): 'picture' | 'recording' | 'other' {
  if (type.startsWith('image/')) return 'picture';
  // The same containers hold either.
  return /^(audio|video)\/|^application\/ogg$/.test(type) ? 'recording' : 'other';
}
