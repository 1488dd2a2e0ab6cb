import { isJsonObject, jsonMember, type JsonObject, type RoomEvent } from '../events/index.js';
import { signedBytes, verifySignature } from '../signing/index.js';
import { membershipOf } from './room-facts.js';
import { reject, type RuleInput } from './rule-input.js';

/**
 * Two events of 64 KiB could hold hundreds of signatures and as many keys, and every pair is a verification. Real ones
 * hold one or two of each, so the search ends here, in an order that is the same on every server.
 */
const MAX_VERIFICATIONS = 64;

/** An invite made from a third-party invite (4.4.1; 5.4.1 in version 12). */
export function checkThirdPartyInvite({ event, state, numbers }: RuleInput, target: string): void {
  const { pdu } = event;
  const n = `${numbers.member}.4.1`;
  // A ban holds.
  if (membershipOf(state, target) === 'ban') reject(`${n}.1`, 'the target is banned');
  // Somebody signed that the target has the address …
  const signed = jsonMember(jsonMember(pdu.content, 'third_party_invite'), 'signed');
  if (!isJsonObject(signed)) reject(`${n}.2`, 'third_party_invite has no signed');
  const mxid = jsonMember(signed, 'mxid');
  const token = jsonMember(signed, 'token');
  if (typeof mxid !== 'string' || typeof token !== 'string') reject(`${n}.3`, 'signed lacks mxid or token');
  // … this target …
  if (mxid !== target) reject(`${n}.4`, 'signed is for another user');
  // … for an invitation that the room has …
  const invitation = state.get('m.room.third_party_invite', token);
  if (!invitation) reject(`${n}.5`, 'the room has no such third-party invite');
  // … of this sender …
  if (invitation.pdu.sender !== pdu.sender) reject(`${n}.6`, 'the third-party invite is by another sender');
  // … with one of the keys that the invitation names.
  if (keyOfThirdParty(signed, invitation) === undefined) reject(`${n}.8`, 'signed by none of the keys of the invitation');
}

/**
 * The key of an `m.room.third_party_invite` with which somebody signed who accepts it, as the invitation spells it; undefined where
 * none did. Whether the key was revoked, only who asks the identity server knows.
 */
export function keyOfThirdParty(signed: JsonObject, invitation: RoomEvent): string | undefined {
  const keys = publicKeysOf(invitation);
  if (keys.length === 0) return undefined;
  const message = signedBytes(signed);
  let left = MAX_VERIFICATIONS;
  for (const signature of signaturesOf(signed)) {
    for (const key of keys) {
      if (left-- === 0) return undefined;
      if (verifySignature(key, message, signature)) return key;
    }
  }
  return undefined;
}

function publicKeysOf(invitation: RoomEvent): string[] {
  const { content } = invitation.pdu;
  const list = jsonMember(content, 'public_keys');
  // Others cannot read the invitation, `null` too, so that nothing in it counts.
  if (list !== undefined && !Array.isArray(list)) return [];
  const candidates = [
    jsonMember(content, 'public_key'),
    ...(list ?? []).map((item) => jsonMember(item, 'public_key')),
  ];
  return candidates.filter((key) => typeof key === 'string');
}

/** Sorted, because an event does not keep the order of its members everywhere. */
function signaturesOf(signed: JsonObject): string[] {
  const byServer = jsonMember(signed, 'signatures');
  if (!isJsonObject(byServer)) return [];
  const found: Array<[string, string]> = [];
  for (const [server, signatures] of Object.entries(byServer)) {
    if (!isJsonObject(signatures)) continue;
    for (const [keyId, signature] of Object.entries(signatures)) {
      if (typeof signature === 'string' && keyId.startsWith('ed25519:')) {
        found.push([JSON.stringify([server, keyId]), signature]);
      }
    }
  }
  return found.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, signature]) => signature);
}
