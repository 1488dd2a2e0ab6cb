import { isJsonObject, isRoomId, isServerName, isUserId, type JsonObject } from '#federation';
import { z } from 'zod';
import type { ThirdPartyAddress } from '../../rooms/third-party/identity-servers.js';
import { optionalText, queryList, queryNumber, text } from '../../http/query-schemas.js';

// Who is meant may be on a server that lets people have the names of old.
const userId = text(255).refine((value) => isUserId(value, { historical: true }), 'must be a user id');
// The parser has made it, so what is inside is JSON. Looking at it by recursion would overflow the stack, which canonical JSON does not.
const object = z.custom<JsonObject>(isJsonObject, 'must be an object');

/** client-server/definitions/invite_3pid.yaml */
const thirdPartyAddress = z.object({ id_server: text(255), id_access_token: text(4_096), medium: z.enum(['email', 'msisdn']), address: text(500).min(1) });

/** client-server/create_room.yaml */
export const createRoomSchema = z.object({
  visibility: z.enum(['public', 'private']).nullish(),
  room_alias_name: optionalText(255),
  name: optionalText(65_536),
  topic: optionalText(65_536),
  invite: z.array(userId).max(1_000).nullish(),
  invite_3pid: z.array(thirdPartyAddress).max(50).nullish(),
  room_version: z.string().max(32).nullish(),
  creation_content: object.nullish(),
  initial_state: z
    .array(z.looseObject({ type: text(255), state_key: text(255).nullish(), content: object }))
    .max(1_000)
    .nullish(),
  preset: z.enum(['private_chat', 'trusted_private_chat', 'public_chat']).nullish(),
  is_direct: z.boolean().nullish(),
  power_level_content_override: object.nullish(),
});
export type CreateRoomBody = z.output<typeof createRoomSchema>;

/** client-server/{kicking,banning,inviting}.yaml; a kick may release the name from its genesis, or take that back (docs/protocol.md, §2). */
export const memberChangeSchema = z.object({ user_id: userId, reason: optionalText(4_096), 'io.partyline.release': z.boolean().optional() });
export type MemberChangeBody = z.output<typeof memberChangeSchema>;

/** client-server/{inviting,third_party_membership}.yaml: an account, or whoever has an address. */
export const inviteSchema = z
  .object({ user_id: userId.optional(), reason: optionalText(4_096), ...thirdPartyAddress.partial().shape })
  .superRefine((body, context) => {
    if (body.user_id !== undefined) return;
    const missing = (['id_server', 'id_access_token', 'medium', 'address'] as const).filter((name) => body[name] === undefined);
    const name = missing.length === 4 ? 'user_id' : missing[0];
    if (name !== undefined) context.addIssue({ code: 'custom', message: `Missing ${name}`, params: { errcode: 'M_MISSING_PARAM' } });
  });
export type InviteBody = z.output<typeof inviteSchema>;

export function addressOf({ id_server: idServer, id_access_token: accessToken, medium, address }: z.output<typeof thirdPartyAddress>): ThirdPartyAddress {
  return { idServer, accessToken, medium, address };
}

/** client-server/{joining,leaving}.yaml */
export const reasonSchema = z.object({ reason: optionalText(4_096), third_party_signed: z.unknown().optional() });
export type ReasonBody = z.output<typeof reasonSchema>;
/** client-server/definitions/third_party_signed.yaml; all of it is signed. */
const thirdPartySigned = z.looseObject({ sender: userId, mxid: userId, token: text(255), signatures: object });
export const joinSchema = reasonSchema.extend({ third_party_signed: thirdPartySigned.nullish() }).loose();
export type JoinBody = z.output<typeof joinSchema>;

// Links that people paste hold all sorts of things: what cannot be a server is not asked.
const servers = queryList(50).transform((names) => names.filter(isServerName)).optional();

/** `server_name` is what `via` was called before Matrix 1.12. */
export const viaSchema = z.object({ via: servers, server_name: servers });
export type ViaQuery = z.output<typeof viaSchema>;

/** The content of an event: any JSON object. */
export const contentSchema = object;

export const redactSchema = z.object({ reason: optionalText(65_536) });

/** The once-only key of a write (protocol §6). */
export const onceOnlyKey = z.string().regex(/^[A-Za-z0-9_-]{22}$/, 'must be 16 bytes of URL-safe Base64').optional();

/** Our own query parameters of sends (protocol §5 and §6), and `ts` of application services. */
export const sendQuerySchema = z.object({
  'io.partyline.txn': onceOnlyKey,
  'io.partyline.replicas': queryNumber(5).optional(),
  ts: queryNumber(Number.MAX_SAFE_INTEGER).optional(),
  // MSC4140 as it was first: milliseconds after which the event is sent.
  'org.matrix.msc4140.delay': queryNumber(Number.MAX_SAFE_INTEGER).optional(),
});
export type SendQuery = z.output<typeof sendQuerySchema>;

export const membersQuerySchema = z.object({
  membership: z.enum(['join', 'invite', 'leave', 'ban', 'knock']).optional(),
  not_membership: z.enum(['join', 'invite', 'leave', 'ban', 'knock']).optional(),
  at: z.string().max(512).optional(),
});
export type MembersQuery = z.output<typeof membersQuerySchema>;

export const aliasSchema = z.object({ room_id: text(255).refine((value) => isRoomId(value), 'must be a room id') });
