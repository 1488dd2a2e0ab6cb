import { Injectable } from '@nestjs/common';
import { canonicalJson, CanonicalJsonError, isJsonObject, jsonMember, keyOfThirdParty, knownRecord, serverNameOf, type JsonObject, type RoomEvent } from '#federation';
import { MAX_NESTING } from '#json';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { AccountServers } from '../../accounts/account-servers.js';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { FederationClient, federationPath } from '../../federation/federation-client.js';
import { ServerKeys } from '../../federation/keys/server-keys.js';
import { UnreachableError } from '../../federation/outgoing/remote-error.js';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { Inviter } from '../membership/inviter.js';
import { MemberHandshake } from '../membership/member-handshake.js';
import { memberContent } from '../membership/member-content.js';
import { RoomServers } from '../membership/room-servers.js';
import { EventSender } from '../pipeline/event-sender.js';
import { AskBudget } from '../remote/ask-budget.js';
import { MemberTemplates } from '../remote/member-templates.js';
import { RoomRegistry } from '../room-registry.js';
import type { Room } from '../room.js';
import { membershipOf } from '../state/room-state.js';
import { IdentityServers } from './identity-servers.js';

/** Proof that somebody has the address that a room has invited. */
export interface ThirdPartyProof {
  readonly roomId: string;
  /** Who invited the address. */
  readonly sender: string;
  /** Who has it. */
  readonly target: string;
  /** `{mxid, token, signatures}`, signed with a key of the invitation. */
  readonly signed: JsonObject;
  /** Servers that may be in the room. */
  readonly via: readonly string[];
}

/** Turns an invitation of an address into one of the account that has it (Server-Server, "Third-party invites"). */
@Injectable()
export class ThirdPartyExchange {
  constructor(
    private readonly config: Config,
    private readonly registry: RoomRegistry,
    private readonly accounts: AccountDirectory,
    private readonly accountServers: AccountServers,
    private readonly servers: RoomServers,
    private readonly templates: MemberTemplates,
    private readonly budget: AskBudget,
    private readonly identity: IdentityServers,
    private readonly inviter: Inviter,
    private readonly eventSender: EventSender,
    private readonly serverKeys: ServerKeys,
    private readonly handshake: MemberHandshake,
    private readonly federation: FederationClient,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /**
   * For an account of this server that shows the proof; nothing happens when it is in the room. A server of the inviter's makes the
   * invitation, or any other in the room when none of his can be reached.
   *
   * @throws MatrixError 400 `M_BAD_JSON` for what nobody can sign; 403 `M_FORBIDDEN` when the proof does not hold; 404 and 502 when nobody can be asked
   */
  async redeem(proof: ThirdPartyProof): Promise<void> {
    const { roomId, sender, target, signed } = proof;
    assertSignable(signed);
    const room = await this.registry.find(roomId);
    const isHere = room?.state.isResident === true;
    if (isHere && room.state.joined.has(target)) return;
    if (isHere && this.#speaksFor(room, sender)) return this.#issue(room, proof);
    const homes = (await this.accountServers.of(sender)).filter((name) => name !== this.config.serverName);
    const others = isHere ? [] : await this.servers.of(roomId, target, proof.via);
    const event = {
      type: 'm.room.member', room_id: roomId, sender, state_key: target,
      content: { membership: 'invite', third_party_invite: { display_name: target, signed } },
    };
    try {
      await this.handshake.withAny([...new Set([...homes, ...others])], (server) => this.federation.request({
        destination: server, method: 'PUT', path: federationPath`/_matrix/federation/v1/exchange_third_party_invite/${roomId}`, body: event, ignoreBackoff: true,
      }));
    } catch (error) {
      if (!isHere || !(error instanceof UnreachableError)) throw error;
      await this.#issue(room, proof);
    }
  }

  /** An identity server has bound the address of an account of this server: all that were waiting for it. What fails is left. */
  async bound(proofs: readonly ThirdPartyProof[]): Promise<void> {
    for (const proof of proofs) {
      await this.redeem(proof).catch((error: unknown) => {
        if (!(error instanceof MatrixError)) this.log.error('an invitation of an address could not be redeemed', error, { roomId: proof.roomId });
        else this.log.info('an invitation of an address was not redeemed', { roomId: proof.roomId, target: proof.target, reason: error.message });
      });
    }
  }

  /**
   * For another server, whose account shows the proof.
   *
   * @throws MatrixError 404 `M_NOT_FOUND` for a room that is not here; 403 `M_FORBIDDEN`; 429 `M_LIMIT_EXCEEDED`
   */
  async exchange(origin: string, proof: Omit<ThirdPartyProof, 'via'>): Promise<void> {
    assertSignable(proof.signed);
    const room = await this.templates.residentRoom(proof.roomId, origin);
    // Each may ask an address that the room names.
    if (this.budget.take(origin, 1) === 0) throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many invitations are exchanged', { retry_after_ms: 5_000 });
    await this.#issue(room, proof);
  }

  async #issue(room: Room, { sender, target, signed }: Omit<ThirdPartyProof, 'via'>): Promise<void> {
    if (jsonMember(signed, 'mxid') !== target) throw MatrixError.forbidden('The proof is for another account');
    const token = jsonMember(signed, 'token');
    const invitation = typeof token === 'string' ? room.state.get('m.room.third_party_invite', token) : undefined;
    if (!invitation || invitation.pdu.sender !== sender) throw MatrixError.forbidden('The room has no such invitation');
    await this.#assertKey(signed, invitation);
    const displayName = jsonMember(invitation.pdu.content, 'display_name');
    const content = { third_party_invite: { display_name: typeof displayName === 'string' ? displayName : target, signed } };
    // The rules would let it turn a member into somebody invited.
    if (membershipOf(room.state.get('m.room.member', target)) === 'join') throw MatrixError.forbidden('The user is in the room');
    if (this.#speaksFor(room, sender)) return this.inviter.invite({ roomId: room.id, sender, target, content });
    await this.#issueFor(room, sender, target, content);
  }

  /** In the inviter's absence: what proves the invitation is the signature of the address's owner, whoever sends it. */
  async #issueFor(room: Room, sender: string, target: string, extra: JsonObject): Promise<void> {
    const signer = { name: this.config.serverName, key: this.serverKeys.signing, record: null };
    await room.run((draft) => {
      if (membershipOf(draft.get('m.room.member', target)) === 'join') return;
      // Without the genesis: that would be no word of the inviter's (protocol §3 rule 1).
      const carried = room.rules.portable ? knownRecord(draft, target) : undefined;
      const content = { ...memberContent(draft, sender, target, 'invite', null, extra), ...(carried && { home_record: carried as unknown as JsonObject }) };
      this.eventSender.appendTo(draft, { sender, type: 'm.room.member', stateKey: target, content, ts: this.clock.now() }, signer);
    });
  }

  /** By a key that was not revoked since; one whose invitation names no address to ask counts for ever. */
  async #assertKey(signed: JsonObject, invitation: RoomEvent): Promise<void> {
    const key = keyOfThirdParty(signed, invitation);
    if (key === undefined) throw MatrixError.forbidden('The proof is not signed with a key of the invitation');
    const { public_keys: list } = invitation.pdu.content;
    const entries = [...(Array.isArray(list) ? list : []), invitation.pdu.content].filter((entry) => isJsonObject(entry) && jsonMember(entry, 'public_key') === key);
    const urls = entries.map((entry) => jsonMember(entry, 'key_validity_url')).filter((url) => typeof url === 'string');
    if (urls[0] !== undefined && !(await this.identity.isKeyValid(urls[0], key))) throw MatrixError.forbidden('The key of the invitation was revoked');
  }

  #speaksFor(room: Room, userId: string): boolean {
    return this.accounts.has(userId) && (room.rules.portable || serverNameOf(userId) === this.config.serverName);
  }
}

/** Signatures cover canonical JSON, which has no fractions and no lone surrogates. */
function assertSignable(signed: JsonObject): void {
  try {
    canonicalJson(signed, MAX_NESTING);
  } catch (error) {
    if (error instanceof CanonicalJsonError) throw MatrixError.badJson(`What was signed: ${error.message}`);
    throw error;
  }
}
