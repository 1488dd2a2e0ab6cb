import { Injectable } from '@nestjs/common';
import { AuthError, buildEvent, checkAuth, type JsonObject, type RoomEvent, type RoomVersionRules } from '#federation';
import { Profiles } from '../../accounts/profiles.js';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { UnreachableError } from '../../federation/outgoing/remote-error.js';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { Random } from '../../observability/random.js';
import { StreamPositions } from '../../storage/stream-positions.js';
import { AliasesStore } from '../directory/aliases.store.js';
import { InvitePolicy } from '../membership/invite-policy.js';
import { Inviter } from '../membership/inviter.js';
import { memberContent } from '../membership/member-content.js';
import { shownProfile } from '../membership/shown-profile.js';
import { clientError } from '../pipeline/build-event.js';
import { EventSender } from '../pipeline/event-sender.js';
import { EventSigners, type EventSigner } from '../pipeline/event-signers.js';
import { RoomRegistry } from '../room-registry.js';
import { NamedPersons } from '../pipeline/named-persons.js';
import type { ThirdPartyAddress } from '../third-party/identity-servers.js';
import { ThirdPartyInviter } from '../third-party/third-party-inviter.js';
import { HomeSignatures } from '../state/home-signatures.js';
import { createContent, initialEvents, type InitialEvent, type RoomRequest } from './initial-events.js';
import { RoomVersionChoice } from './room-version-choice.js';

export interface CreateRoom extends RoomRequest {
  readonly roomVersion?: string;
  /** Full alias, on this server. */
  readonly alias?: string;
  /** Addresses of people who may have no account. */
  readonly inviteAddresses: readonly ThirdPartyAddress[];
  /** What another room takes along in place of what a preset makes, complete; bans among it. */
  readonly firstEvents?: readonly InitialEvent[];
}

/** Makes rooms (client-server "POST /createRoom"). */
@Injectable()
export class RoomCreator {
  #lastCreation = 0;

  constructor(
    private readonly config: Config,
    private readonly versions: RoomVersionChoice,
    private readonly registry: RoomRegistry,
    private readonly signers: EventSigners,
    private readonly signatures: HomeSignatures,
    private readonly sender: EventSender,
    private readonly inviter: Inviter,
    private readonly thirdParty: ThirdPartyInviter,
    private readonly persons: NamedPersons,
    private readonly aliases: AliasesStore,
    private readonly profiles: Profiles,
    private readonly policy: InvitePolicy,
    private readonly positions: StreamPositions,
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly log: Log,
  ) {}

  /**
   * @returns the room's id, after all its first events are stored and local users are invited
   * @throws MatrixError 400 `M_UNSUPPORTED_ROOM_VERSION`, `M_ROOM_IN_USE`, `M_INVALID_ROOM_STATE`; 403 `M_FORBIDDEN`
   */
  async create(creator: string, request: CreateRoom): Promise<string> {
    const rules = await this.versions.choose(creator, request.roomVersion, request.invite, request.inviteAddresses.length > 0);
    const signer = await this.signers.of(creator, rules);
    const ts = this.#creationTime();
    const create = this.#createEvent(creator, await this.#createContent(creator, request, rules, signer), rules, signer, ts);
    if (request.alias && (await this.aliases.find(request.alias))) {
      throw new MatrixError(400, 'M_ROOM_IN_USE', 'This alias is taken');
    }
    const room = this.registry.create(create.roomId, rules);
    const profile = (await this.profiles.get(creator)) as JsonObject;
    const join = memberContent(room.state, creator, creator, 'join', signer.record, shownProfile(profile));
    const initial = request.firstEvents ?? (await this.#initialEvents(creator, request, rules));
    // Before anything is made: whoever hears of it can leave them out.
    const invitees = await this.inviter.localInvitees(rules, request.invite);
    for (const { userId } of invitees) await this.policy.assertAllowed(creator, userId);
    const localInvites = await Promise.all(invitees.map(async (invitee) => (
      { ...invitee, genesis: await this.inviter.genesisOf(rules, invitee.userId) }
    )));
    await this.registry.enter(room, (draft) => {
      draft.created = { version: rules.id };
      draft.append({ event: create, nid: this.positions.nextId('event_nid'), isOwn: true });
      this.sender.appendTo(draft, { sender: creator, type: 'm.room.member', stateKey: creator, content: join, ts }, signer);
      for (const event of initial) {
        const isBan = event.type === 'm.room.member';
        const content = isBan ? memberContent(draft, creator, event.stateKey, 'ban', signer.record, event.content) : event.content;
        this.#append(() => this.sender.appendTo(draft, { ...event, content, sender: creator, ts }, signer));
      }
      for (const invitee of localInvites) {
        const content = memberContent(draft, creator, invitee.userId, 'invite', signer.record, {
          ...invitee.profile, ...(request.isDirect ? { is_direct: true } : {}),
        }, { genesis: invitee.genesis });
        this.sender.appendTo(draft, { sender: creator, type: 'm.room.member', stateKey: invitee.userId, content, ts }, signer);
      }
    });
    if (request.alias) await this.aliases.add(request.alias, room.nid, creator);
    await this.#inviteRemote(creator, room.id, request, new Set(localInvites.map((invitee) => invitee.userId)));
    await this.#inviteAddresses(creator, room.id, request);
    return room.id;
  }

  /** Since version 12 the room id is a hash of the create event: two rooms of one person in one millisecond must still differ. */
  #creationTime(): number {
    this.#lastCreation = Math.max(this.clock.now(), this.#lastCreation + 1);
    return this.#lastCreation;
  }

  // What the caller asked for and the auth rules refuse is the caller's mistake, not a lack of rights.
  #append(append: () => unknown): void {
    try {
      append();
    } catch (error) {
      if (error instanceof MatrixError && ['M_FORBIDDEN', 'M_BAD_JSON'].includes(error.errcode)) {
        throw new MatrixError(400, 'M_INVALID_ROOM_STATE', error.message);
      }
      throw error;
    }
  }

  /** A room that exists is not taken back because an invitee's server is away: the inviter can invite again. */
  async #inviteRemote(creator: string, roomId: string, request: CreateRoom, done: ReadonlySet<string>): Promise<void> {
    for (const invitee of request.invite) {
      if (done.has(invitee) || invitee === creator) continue;
      try {
        await this.inviter.invite({ roomId, sender: creator, target: invitee, content: request.isDirect ? { is_direct: true } : {} });
      } catch (error) {
        this.log.warn('invitation from a new room failed', { roomId, invitee, reason: error instanceof Error ? error.message : String(error) });
      }
    }
  }

  async #inviteAddresses(creator: string, roomId: string, { inviteAddresses, isDirect }: CreateRoom): Promise<void> {
    const silent = new Set<string>();
    for (const address of inviteAddresses) {
      // Each would be waited for anew.
      if (silent.has(address.idServer)) continue;
      try {
        await this.thirdParty.invite({ roomId, sender: creator, ...address, content: isDirect ? { is_direct: true } : {} });
      } catch (error) {
        if (error instanceof UnreachableError) silent.add(address.idServer);
        this.log.warn('invitation of an address from a new room failed', { roomId, reason: error instanceof Error ? error.message : String(error) });
      }
    }
  }

  async #createContent(creator: string, request: CreateRoom, rules: RoomVersionRules, signer: EventSigner): Promise<JsonObject> {
    const content = createContent(request, rules, creator);
    if (!rules.portable) return content;
    return { ...(await this.persons.inCreation(content)), home_record: signer.record as unknown as JsonObject };
  }

  /** In portable rooms power levels say whom they mean. */
  async #initialEvents(creator: string, request: CreateRoom, rules: RoomVersionRules): Promise<InitialEvent[]> {
    const events = initialEvents({ ...request, ...(request.alias ? { canonicalAlias: request.alias } : {}) }, rules, creator);
    if (!rules.portable) return events;
    return Promise.all(events.map(async (event) => (
      event.type === 'm.room.power_levels' && event.stateKey === '' ? { ...event, content: await this.persons.inLevels(event.content) } : event
    )));
  }

  #createEvent(creator: string, content: JsonObject, rules: RoomVersionRules, signer: EventSigner, ts: number): RoomEvent {
    const roomId = rules.roomIdIsCreateHash ? {} : { room_id: `!${this.random.token(14)}:${this.config.serverName}` };
    try {
      const event = buildEvent(
        {
          type: 'm.room.create', state_key: '', sender: creator, content, origin_server_ts: ts, depth: 1, prev_events: [],
          auth_events: [], ...roomId, ...(rules.portable ? { home: signer.name } : {}),
        },
        rules,
        signer,
      );
      if (rules.portable) this.signatures.trust(event, signer.name, signer.key.keyId, signer.key.publicKey);
      checkAuth(event, { get: () => undefined }, rules, this.signatures.context(rules));
      return event;
    } catch (error) {
      if (error instanceof AuthError) throw new MatrixError(400, 'M_INVALID_ROOM_STATE', `creation_content: ${error.message}`);
      throw clientError(error);
    }
  }
}
