import { create } from 'content-disposition';
import type { MediaContent } from '../media-content.js';
import { isInline, servedType } from '../served-type.js';

/** Client-server API, §Content repository, "Security considerations": nothing in a file runs, whatever a browser takes it for. */
export const guardingHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; style-src 'unsafe-inline'; object-src 'self';",
  'cross-origin-resource-policy': 'cross-origin',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};

/** Media type and disposition of a file: in place only what is harmless there (§Serving inline content). */
export function describingHeaders({ contentType, sniffedType, filename }: Pick<MediaContent, 'contentType' | 'sniffedType' | 'filename'>): Record<string, string> {
  const type = servedType(contentType, sniffedType);
  return { 'content-type': type, 'content-disposition': create(filename ?? undefined, { type: isInline(type) ? 'inline' : 'attachment' }) };
}

export function thumbnailHeaders(type: string): Record<string, string> {
  return { 'content-type': `image/${type}`, 'content-disposition': `inline; filename=thumbnail.${type}` };
}
