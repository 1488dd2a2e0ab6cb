import { z } from 'zod';
import { parseStoredJson } from '#json';
import type { AccountChange } from '../../accounts/account-ops.js';
import { boundedJson } from '../../accounts/bounded-json.js';
import { text } from '../../http/query-schemas.js';

const MAX_SESSION_BYTES = 16 * 1024;

/** COMPAT(SyTest): what depends on the algorithm is an object in the specification, and any JSON here; nothing looks into it. */
export const opaque = z.unknown().refine((value) => value !== undefined && value !== null, 'is missing');

/** KeyBackupData of the specification. */
export const keySchema = z.object({
  first_message_index: z.int().min(0),
  forwarded_count: z.int().min(0),
  is_verified: z.boolean(),
  session_data: opaque,
});
const replicatedSchema = keySchema.extend({ session_data: text(2 * MAX_SESSION_BYTES) });
const nameSchema = z.tuple([text(255), text(255), text(255)]);

/** Which key: of a backup, a room and a session. */
export interface KeyName {
  readonly version: string;
  readonly roomId: string;
  readonly sessionId: string;
}

export interface BackedUpKey extends KeyName {
  readonly isVerified: boolean;
  readonly firstMessageIndex: number;
  readonly forwardedCount: number;
  /** JSON; null for a key that was deleted. */
  readonly sessionData: string | null;
}

/** A key as a client sent it. @throws MatrixError 413 M_TOO_LARGE */
export function readKey(name: KeyName, key: z.output<typeof keySchema>): BackedUpKey {
  return {
    ...name,
    isVerified: key.is_verified,
    firstMessageIndex: key.first_message_index,
    forwardedCount: key.forwarded_count,
    sessionData: boundedJson(key.session_data, MAX_SESSION_BYTES, 'session_data'),
  };
}

/** KeyBackupData as JSON text. */
export function keyJson({ isVerified, firstMessageIndex, forwardedCount, sessionData }: BackedUpKey): string {
  return `{"first_message_index":${firstMessageIndex},"forwarded_count":${forwardedCount},"is_verified":${isVerified},"session_data":${sessionData}}`;
}

/** The operation that tells the other homes (protocol §4, kind `backed_up_key`). */
export function keyChange(key: BackedUpKey): AccountChange {
  const { version, roomId, sessionId, sessionData } = key;
  const value = sessionData === null ? null : {
    first_message_index: key.firstMessageIndex, forwarded_count: key.forwardedCount, is_verified: key.isVerified, session_data: sessionData,
  };
  return { kind: 'backed_up_key', key: JSON.stringify([version, roomId, sessionId]), value };
}

/** The key of an operation of another home; undefined for what is none. */
export function readKeyChange({ key, value }: Pick<AccountChange, 'key' | 'value'>): BackedUpKey | undefined {
  const name = nameSchema.safeParse(parsed(key)).data;
  if (!name) return undefined;
  const [version, roomId, sessionId] = name;
  if (value === null) return { version, roomId, sessionId, isVerified: false, firstMessageIndex: 0, forwardedCount: 0, sessionData: null };
  const told = replicatedSchema.safeParse(value).data;
  const data = told && parsed(told.session_data);
  if (data === undefined || data === null) return undefined;
  return { version, roomId, sessionId, isVerified: told!.is_verified, firstMessageIndex: told!.first_message_index, forwardedCount: told!.forwarded_count, sessionData: JSON.stringify(data) };
}

function parsed(json: string): unknown {
  try {
    return parseStoredJson(json);
  } catch {
    return undefined;
  }
}
