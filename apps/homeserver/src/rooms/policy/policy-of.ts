import {
  canonicalJson, isServerName, jsonMember, signatureInput, STANDS_TYPE, verifySignature, wirePdu, type JsonObject, type RoomEvent, type RoomVersionRules, type StateReader,
} from '#federation';
import { SERVERS_OWN } from '../membership/member-content.js';
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

/**
 * Whether a policy server has a say in an event. A room can always do without it again; whoever goes without a word is gone; and in portable rooms
 * what brings a home record and says nothing else is no message: a server that is dead, or lies, would else keep a home in the room that its owner
 * has dropped.
 *
 * @param before the state before the event
 */
export function isJudged(event: RoomEvent, before: StateReader, rules: RoomVersionRules): boolean {
  const { type, state_key: stateKey, sender, content } = event.pdu;
  if (isPolicy(event) || type === 'm.room.create') return false;
  if (rules.portable && type === STANDS_TYPE) return Object.keys(content).length > 0;
  if (type !== 'm.room.member' || stateKey !== sender) return true;
  const said = saidIn(content);
  if (said === saidIn({ membership: 'leave' })) return false;
  const member = before.get(type, sender);
  return !(rules.portable && jsonMember(content, 'io.partyline.carries') === true && member && said === saidIn(member.pdu.content));
}

/** What of a member event is its sender's word. */
function saidIn(content: JsonObject): string {
  return canonicalJson(Object.fromEntries(Object.entries(content).filter(([name]) => !SERVERS_OWN.includes(name))));
}

export function isSignedBy(event: RoomEvent, rules: RoomVersionRules, { server, publicKey }: RoomPolicy): boolean {
  const signature = event.pdu.signatures[server]?.[POLICY_KEY];
  return typeof signature === 'string' && verifySignature(publicKey, signatureInput(wirePdu(event, rules), rules), signature);
}
