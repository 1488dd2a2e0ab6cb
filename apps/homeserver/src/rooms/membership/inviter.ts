import { Injectable } from '@nestjs/common';
import { readPdu, PduFormatError, serverNameOf, verifySignatureAsync, signatureInput, wirePdu, type JsonObject, type RoomEvent, type RoomVersionRules } from '#federation';
import { parseStoredJson } from '#json';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { AccountServers } from '../../accounts/account-servers.js';
import { Profiles } from '../../accounts/profiles.js';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { FederationClient, federationPath } from '../../federation/federation-client.js';
import { KeyRing } from '../../federation/keys/key-ring.js';
import { UnreachableError } from '../../federation/outgoing/remote-error.js';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { AcceptEvent } from '../pipeline/accept-event.js';
import { buildLocalEvent } from '../pipeline/build-event.js';
import { EventSender } from '../pipeline/event-sender.js';
import { EventSigners, type EventSigner } from '../pipeline/event-signers.js';
import { RoomRegistry } from '../room-registry.js';
import type { Room } from '../room.js';
import { HomeSignatures } from '../state/home-signatures.js';
import { shownState } from '../state/stripped-state.js';
import { InvitePolicy } from './invite-policy.js';
import { memberContent } from './member-content.js';
import { shownProfile } from './shown-profile.js';

export interface Invitation {
  readonly roomId: string;
  readonly sender: string;
  readonly target: string;
  /** `reason`, `is_direct` and the like. */
  readonly content: JsonObject;
}

/** Invites users of this server and of others (Server-Server, "Inviting to a room"). */
@Injectable()
export class Inviter {
  constructor(
    private readonly config: Config,
    private readonly registry: RoomRegistry,
    private readonly accounts: AccountDirectory,
    private readonly servers: AccountServers,
    private readonly profiles: Profiles,
    private readonly policy: InvitePolicy,
    private readonly signers: EventSigners,
    private readonly signatures: HomeSignatures,
    private readonly sender: EventSender,
    private readonly acceptEvent: AcceptEvent,
    private readonly federation: FederationClient,
    private readonly keyRing: KeyRing,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Whether an account of this server can be invited without asking anybody. */
  isLocal(rules: RoomVersionRules, userId: string): boolean {
    return this.accounts.has(userId) && (rules.portable || serverNameOf(userId) === this.config.serverName);
  }

  /** Those of the invitees who live here, with the profile that the invitation shows. */
  async localInvitees(rules: RoomVersionRules, invitees: readonly string[]): Promise<{ userId: string; profile: JsonObject }[]> {
    const local = invitees.filter((userId) => this.isLocal(rules, userId));
    return Promise.all(local.map(async (userId) => ({ userId, profile: shownProfile((await this.profiles.get(userId)) as JsonObject) })));
  }

  /** Whom an invitation means, as far as it is known: in portable rooms it names the person (protocol §3 rule 6). */
  async genesisOf(rules: RoomVersionRules, userId: string): Promise<string | undefined> {
    return rules.portable ? this.servers.genesisOf(userId) : undefined;
  }

  /**
   * @throws MatrixError 403 `M_FORBIDDEN`; 404 `M_NOT_FOUND` for an account that this server would have; what the invited
   *   server answers; 502 when it cannot be reached
   */
  async invite(invitation: Invitation): Promise<void> {
    const room = await this.registry.find(invitation.roomId);
    if (!room) throw MatrixError.forbidden('You are not in this room');
    const signer = await this.signers.of(invitation.sender, room.rules);
    const { target } = invitation;
    if (this.isLocal(room.rules, target)) return this.#inviteLocal(room, invitation, signer);
    const servers = (await this.servers.of(target)).filter((name) => name !== this.config.serverName);
    if (servers.length === 0) throw MatrixError.notFound('There is no such account on this server');
    await this.#inviteRemote(room, invitation, signer, servers);
  }

  async #inviteLocal(room: Room, invitation: Invitation, signer: EventSigner): Promise<void> {
    await this.policy.assertAllowed(invitation.sender, invitation.target);
    const [invitee] = await this.localInvitees(room.rules, [invitation.target]);
    const genesis = await this.genesisOf(room.rules, invitation.target);
    const event = await room.run((draft) => {
      const content = this.#content(draft, invitation, signer, invitee!.profile, genesis);
      const { eventId } = this.sender.appendTo(
        draft,
        { sender: invitation.sender, type: 'm.room.member', stateKey: invitation.target, content, ts: this.clock.now() },
        signer,
      );
      return draft.find(eventId)?.event;
    });
    if (!event || !room.rules.portable) return;
    const inviteState = this.#inviteState(room, event);
    for (const home of await this.servers.of(invitation.target)) {
      if (home !== this.config.serverName) this.passOn(home, event, room.rules, inviteState);
    }
  }

  /** Tells another home of the invited account, without waiting (protocol §3, "Routing"). */
  passOn(home: string, event: RoomEvent, rules: RoomVersionRules, inviteState: readonly unknown[]): void {
    this.#send(home, event, rules, JSON.stringify(inviteState)).catch((error: unknown) => {
      this.log.debug('invitation was not passed on', { home, reason: String(error) });
    });
  }

  async #inviteRemote(room: Room, invitation: Invitation, signer: EventSigner, servers: readonly string[]): Promise<void> {
    const draft = room.peek();
    const content = this.#content(draft, invitation, signer, {}, await this.genesisOf(room.rules, invitation.target));
    const event = buildLocalEvent(
      draft,
      { sender: invitation.sender, type: 'm.room.member', stateKey: invitation.target, content, ts: this.clock.now() },
      signer,
      this.signatures.context(room.rules),
    );
    if (room.rules.portable) this.signatures.trust(event, signer.name, signer.key.keyId, signer.key.publicKey);
    const signed = await this.#askAny(room, event, servers);
    const { status, reason } = await room.run(async (current) =>
      this.acceptEvent.accept(current, { event: signed, isOwn: true, destinations: current.destinations(signed) }),
    );
    if (status !== 0 && status !== 'known') throw MatrixError.forbidden(`Not allowed: ${reason ?? 'the room has changed'}`);
  }

  /** In portable rooms any live home of the account will do; elsewhere there is one server to ask. */
  async #askAny(room: Room, event: RoomEvent, servers: readonly string[]): Promise<RoomEvent> {
    for (const [i, server] of servers.entries()) {
      try {
        return await this.#ask(room, event, server);
      } catch (error) {
        if (!(error instanceof UnreachableError) || i === servers.length - 1) throw error;
      }
    }
    throw new Error('no server to ask');
  }

  async #ask(room: Room, event: RoomEvent, server: string): Promise<RoomEvent> {
    const answer = await this.#send(server, event, room.rules, JSON.stringify(this.#inviteState(room, event)));
    let signed: RoomEvent;
    try {
      signed = readPdu(answer.event, room.rules);
    } catch (error) {
      if (error instanceof PduFormatError) throw MatrixError.unknown(502, `${server} answered the invitation with no event`);
      throw error;
    }
    if (signed.eventId !== event.eventId) throw MatrixError.unknown(502, `${server} changed the invitation`);
    if (!(await this.#isSignedBy(server, signed, room.rules))) {
      throw MatrixError.unknown(502, `${server} did not sign the invitation`);
    }
    return signed;
  }

  async #isSignedBy(server: string, event: RoomEvent, rules: RoomVersionRules): Promise<boolean> {
    const text = signatureInput(wirePdu(event, rules), rules);
    for (const [keyId, signature] of Object.entries(event.pdu.signatures[server] ?? {})) {
      const key = await this.keyRing.publicKey(server, keyId, event.pdu.origin_server_ts);
      if (key && (await verifySignatureAsync(key, text, signature))) return true;
    }
    return false;
  }

  #send(server: string, event: RoomEvent, rules: RoomVersionRules, inviteState: string): Promise<{ event?: unknown }> {
    return this.federation.request<{ event?: unknown }>({
      destination: server,
      method: 'PUT',
      path: federationPath`/_matrix/federation/v2/invite/${event.roomId}/${event.eventId}`,
      body: `{"event":${event.json},"invite_room_state":${inviteState},"room_version":${JSON.stringify(rules.id)}}`,
      ignoreBackoff: true,
    });
  }

  /** Since Matrix 1.16 the invited server gets whole events, which it can check, rather than stripped ones. */
  #inviteState(room: Room, invitation: RoomEvent): JsonObject[] {
    const inviter = room.state.get('m.room.member', invitation.pdu.sender);
    return [...shownState(room.state), ...(inviter ? [inviter] : [])].map((event) => parseStoredJson(event.json) as JsonObject);
  }

  #content(state: Parameters<typeof memberContent>[0], invitation: Invitation, signer: EventSigner, profile: JsonObject, genesis: string | undefined): JsonObject {
    return memberContent(state, invitation.sender, invitation.target, 'invite', signer.record, { ...profile, ...invitation.content }, { genesis });
  }
}
