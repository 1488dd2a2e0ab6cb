import { Injectable } from '@nestjs/common';
import { recordOf, serverNameOf, signatureInput, verifySignatureAsync, wirePdu, type RoomEvent, type RoomVersionRules } from '#federation';
import { KeyRing } from '../../federation/keys/key-ring.js';
import { HomeSignatures } from '../state/home-signatures.js';
import { EventsStore } from '../timeline/events.store.js';
import { membershipOf } from '../state/room-state.js';

/** Verified at once on the thread pool; between slices other work gets its turn. */
const SLICE = 32;
/** Signatures of one server that are tried; it signs with one or two keys. */
const MAX_SIGNATURES = 10;
/** A time at which every key was valid. */
const ANY_TIME = 0;

/** Checks the signatures of received events (Server-Server, "Validating hashes and signatures on received events"). */
@Injectable()
export class PduVerifier {
  constructor(
    private readonly keyRing: KeyRing,
    private readonly signatures: HomeSignatures,
    private readonly events: EventsStore,
  ) {}

  /**
   * Whether the event carries the signatures that its room version wants. In portable rooms the auth rules decide by the
   * sender's home record in the state; here the signature is only computed ahead, where the record is known.
   */
  async isSigned(event: RoomEvent, rules: RoomVersionRules, senderMember?: RoomEvent): Promise<boolean> {
    if (rules.portable) {
      await this.#warm(event, rules, senderMember);
      return true;
    }
    return (await this.#withFreeIds([event], rules)).length > 0 && this.#isSigned(event, rules);
  }

  async #isSigned(event: RoomEvent, rules: RoomVersionRules): Promise<boolean> {
    for (const server of requiredServers(event, rules)) if (!(await this.isSignedBy(event, rules, server))) return false;
    return true;
  }

  /**
   * Without events to which their server has given the id of an event in another room: only the first of the two can be here. An id that
   * is a hash cannot be given twice.
   */
  async #withFreeIds(events: readonly RoomEvent[], rules: RoomVersionRules): Promise<readonly RoomEvent[]> {
    const [first] = events;
    if (rules.eventId !== 'chosen' || !first) return events;
    const taken = await this.events.elsewhere(first.roomId, events.map((event) => event.eventId));
    return events.filter((event) => !taken.has(event.eventId));
  }

  /** Whether one of the server's keys of that time has signed the event. */
  async isSignedBy(event: RoomEvent, rules: RoomVersionRules, server: string): Promise<boolean> {
    const signatures = event.pdu.signatures[server] ?? {};
    const text = signatureInput(wirePdu(event, rules), rules);
    for (const [keyId, signature] of Object.entries(signatures).slice(0, MAX_SIGNATURES)) {
      const key = await this.keyRing.publicKey(server, keyId, rules.keyValidity ? event.pdu.origin_server_ts : ANY_TIME);
      if (key && (await verifySignatureAsync(key, text, signature))) return true;
    }
    return false;
  }

  /** The events of a room that are signed as they must be, in slices. */
  async signedOnes(events: readonly RoomEvent[], rules: RoomVersionRules): Promise<RoomEvent[]> {
    const members = new Map<string, RoomEvent>();
    if (rules.portable) {
      for (const event of events) if (event.pdu.type === 'm.room.member') members.set(event.pdu.sender, event);
    }
    const signed: RoomEvent[] = [];
    for (let start = 0; start < events.length; start += SLICE) {
      const slice = await this.#withFreeIds(events.slice(start, start + SLICE), rules);
      const results = await Promise.all(slice.map(async (event) => {
        if (!rules.portable) return this.#isSigned(event, rules);
        await this.#warm(event, rules, members.get(event.pdu.sender));
        return true;
      }));
      signed.push(...slice.filter((_, i) => results[i]));
    }
    return signed;
  }

  async #warm(event: RoomEvent, rules: RoomVersionRules, senderMember: RoomEvent | undefined): Promise<void> {
    const isOwnMember = event.pdu.type === 'm.room.create' || (event.pdu.type === 'm.room.member' && event.pdu.state_key === event.pdu.sender);
    const record = recordOf(isOwnMember ? event : senderMember);
    const home = record?.homes.find((entry) => entry.server_name === event.pdu.home);
    if (home) await this.signatures.warm(event, rules, home.server_name, home.key_id, home.key);
  }
}

/**
 * Servers that must have signed: the sender's (not for third-party invites), the authoriser's of a restricted join, and the
 * one in an event id that a server chose.
 */
function requiredServers(event: RoomEvent, rules: RoomVersionRules): string[] {
  const { content, type, sender } = event.pdu;
  const isThirdPartyInvite = type === 'm.room.member' && membershipOf(event) === 'invite' && content['third_party_invite'] !== undefined;
  const servers = isThirdPartyInvite ? [] : [serverNameOf(sender)];
  if (rules.eventId === 'chosen') servers.push(serverNameOf(event.eventId));
  const authoriser = rules.restrictedJoins ? content['join_authorised_via_users_server'] : undefined;
  if (type === 'm.room.member' && membershipOf(event) === 'join' && typeof authoriser === 'string') servers.push(serverNameOf(authoriser));
  return [...new Set(servers)];
}
