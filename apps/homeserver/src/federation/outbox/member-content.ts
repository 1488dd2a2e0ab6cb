import { serverNameOf } from '#federation';
import { parseStoredJson } from '#json';
import type { MemberContent } from './served-windows.js';

/**
 * Membership and servers of a stored member event.
 *
 * @param isPortable true in rooms where the homes of the record act for the member, not the domain of its name (protocol §3)
 */
export function memberContent(json: string | null, userId: string, isPortable: boolean): MemberContent | undefined {
  if (json === null) return undefined;
  const { content } = parseStoredJson(json) as { content: Record<string, unknown> };
  const membership = typeof content['membership'] === 'string' ? content['membership'] : 'leave';
  return { membership, servers: isPortable ? homesOf(content['home_record']) : [serverNameOf(userId)] };
}

function homesOf(record: unknown): string[] {
  const homes = (record as { homes?: unknown } | null | undefined)?.homes;
  if (!Array.isArray(homes)) return [];
  return homes.map((home) => (home as { server_name?: unknown } | null)?.server_name).filter((name) => typeof name === 'string');
}
