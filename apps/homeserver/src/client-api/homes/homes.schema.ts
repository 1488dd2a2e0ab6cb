import { z } from 'zod';
import { isRoomId, isServerName } from '#federation';
import { authDataSchema } from '../../auth/user-interactive-auth.js';
import { accountKeyProofShape } from '../../homes/login/account-key-proofs.js';

/** Rooms of a phonebook and servers that hold them. */
const MAX_ROOMS = 10_000;
/** Events of a frontier, as many as clients keep and to spare. */
const MAX_FRONTIER = 200;
const MAX_HOMES = 100;
/** Messages to the device that it may have got elsewhere, as many as clients keep and to spare. */
const MAX_TO_DEVICE = 1_000;

const roomId = z.string().refine(isRoomId, 'is no room id');
const serverName = z.string().refine((name) => isServerName(name), 'is no server name');
const bounded = <T>(record: z.ZodType<Record<string, T>>, max: number) =>
  record.refine((value) => Object.keys(value).length <= max, `has more than ${max} members`);

const proof = { nonce: accountKeyProofShape.nonce.optional(), signature: accountKeyProofShape.signature.optional() };

/** The record itself, as `GET` gives it, or `{record, rooms?, nonce?, signature?}`. */
export const publishSchema = z.looseObject({
  record: z.unknown().optional(),
  rooms: bounded(z.record(roomId, z.array(serverName).max(50)), MAX_ROOMS).optional(),
  seen: bounded(z.record(roomId, z.array(z.string().max(255)).max(MAX_FRONTIER)), MAX_ROOMS).optional(),
  ...proof,
});
export type PublishBody = z.output<typeof publishSchema>;

export const attachSchema = z.object({
  user_id: z.string().max(255),
  record: z.unknown().optional(),
  genesis: z.unknown().optional(),
  registration_token: z.string().max(64).optional(),
  auth: authDataSchema.optional(),
  ...proof,
});
export type AttachBody = z.output<typeof attachSchema>;

export const claimSchema = z.object({ auth: authDataSchema.optional() });
export type ClaimBody = z.output<typeof claimSchema>;

export const resumeSchema = z.object({
  rooms: bounded(z.record(roomId, z.array(z.string().max(255)).max(MAX_FRONTIER)), MAX_ROOMS).default({}),
  account: bounded(z.record(z.string().max(255), z.int().nonnegative()), MAX_HOMES).default({}),
  to_device: z.array(z.string().max(64)).max(MAX_TO_DEVICE).default([]),
});
export type ResumeBody = z.output<typeof resumeSchema>;

export const reachSchema = z.object({ event_id: z.string().max(255).optional() });
export type ReachQuery = z.output<typeof reachSchema>;
