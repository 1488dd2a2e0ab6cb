import { isServerName, jsonMember, signatureInput, verifySignature, wirePdu, type RoomEvent, type RoomVersionRules, type StateReader } from '#federation';
import type { RoomView } from '../room-view.js';

export const POLICY_TYPE = 'm.room.policy';
/** The key by which policy servers sign (MSC4284). */
export const POLICY_KEY = 'ed25519:policy_server';

/** The server that a room has judge its events. */
export interface RoomPolicy {
  readonly server: string;
  /** Unpadded Base64. */
  readonly publicKey: string;
}

/**
 * What a room's present state says of a policy server; undefined where it says nothing valid, or nobody of that server is in the room: it has a say
 * in that, too.
 *
 * @param state the room's, or a draft's upon it
 */
export function policyOf(state: StateReader, room: RoomView): RoomPolicy | undefined {
  const { via, public_keys: keys } = state.get(POLICY_TYPE, '')?.pdu.content ?? {};
  const publicKey = jsonMember(keys, 'ed25519');
  if (typeof via !== 'string' || !isServerName(via) || typeof publicKey !== 'string' || !room.state.hasServer(via)) return undefined;
  return { server: via, publicKey };
}

/** Whether an event may say anew who judges those after it. */
export function isPolicy({ pdu }: RoomEvent): boolean {
  return pdu.type === POLICY_TYPE && pdu.state_key === '';
}

/** A room can always do without its policy server again. */
export function isJudged(event: RoomEvent): boolean {
  return !isPolicy(event) && event.pdu.type !== 'm.room.create';
}

export function isSignedBy(event: RoomEvent, rules: RoomVersionRules, { server, publicKey }: RoomPolicy): boolean {
  const signature = event.pdu.signatures[server]?.[POLICY_KEY];
  return typeof signature === 'string' && verifySignature(publicKey, signatureInput(wirePdu(event, rules), rules), signature);
}
