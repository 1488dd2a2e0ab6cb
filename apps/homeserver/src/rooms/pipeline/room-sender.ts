import { Injectable } from '@nestjs/common';
import { createHmac } from 'node:crypto';
import { isUserId, type JsonObject } from '#federation';
import type { Requester } from '../../accounts/requester.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { KeyedHash } from '../../observability/keyed-hash.js';
import { ServerKeys } from '../../federation/keys/server-keys.js';
import { CanonicalAliases } from '../directory/canonical-aliases.js';
import { Inviter } from '../membership/inviter.js';
import { Joiner } from '../membership/joiner.js';
import { Knocker } from '../membership/knocker.js';
import { MemberChanges } from '../membership/member-changes.js';
import { RoomRegistry } from '../room-registry.js';
import { membershipOf } from '../state/room-state.js';
import { EventSender, type SentEvent } from './event-sender.js';
import { NamedPersons } from './named-persons.js';

export interface ClientSend {
  readonly roomId: string;
  readonly type: string;
  readonly content: JsonObject;
  /** Absent: the request is not to be recognised when it is repeated. */
  readonly txnId?: string;
  readonly redacts?: string;
  /** The client's own once-only key (protocol §6). */
  readonly onceOnlyKey?: string;
}

export interface ClientState {
  readonly roomId: string;
  readonly type: string;
  readonly stateKey: string;
  readonly content: JsonObject;
  readonly onceOnlyKey?: string;
}

/** Sends what clients ask for: once per transaction id, and with member events going the way of memberships. */
@Injectable()
export class RoomSender {
  readonly #hash: KeyedHash;

  constructor(
    private readonly sender: EventSender,
    private readonly registry: RoomRegistry,
    private readonly changes: MemberChanges,
    private readonly inviter: Inviter,
    private readonly joiner: Joiner,
    private readonly knocker: Knocker,
    private readonly canonicalAliases: CanonicalAliases,
    private readonly persons: NamedPersons,
    keys: ServerKeys,
  ) {
    // Known to nobody else, and the same after every restart.
    this.#hash = new KeyedHash(createHmac('sha256', keys.signing.sign('io.partyline.txn')).digest());
  }

  /** A message event. */
  send(requester: Requester, request: ClientSend): Promise<SentEvent> {
    const { roomId, type, content, txnId, redacts } = request;
    const inContent = type === 'm.room.redaction' ? (redacts ?? content['redacts']) : undefined;
    return this.sender.send({
      roomId, sender: requester.userId, type, content,
      ...(typeof inContent === 'string' ? { redacts: inContent } : {}),
      txn: request.onceOnlyKey ?? (txnId === undefined ? null : this.#onceOnlyKey(requester, [roomId, redacts ? `redact ${redacts}` : type, txnId])),
      deviceId: requester.deviceId,
      clientTxn: txnId ?? null,
    });
  }

  /** A state event. */
  async setState(requester: Requester, request: ClientState): Promise<SentEvent> {
    const { roomId, type, stateKey } = request;
    if (type === 'm.room.member') return this.#setMember(requester.userId, request);
    if (type === 'm.room.canonical_alias' && stateKey === '') await this.canonicalAliases.check(roomId, request.content);
    if (type === 'm.room.create') throw MatrixError.invalidParam('A room is created once');
    const content = type === 'm.room.power_levels' && stateKey === '' ? await this.#withGeneses(roomId, request.content) : request.content;
    return this.sender.send({ roomId, sender: requester.userId, type, stateKey, content, deviceId: requester.deviceId, txn: request.onceOnlyKey ?? null });
  }

  /** Portable rooms: whom the levels mean. Clients need to know nothing of it. */
  async #withGeneses(roomId: string, content: JsonObject): Promise<JsonObject> {
    const room = await this.registry.find(roomId);
    return room?.rules.portable ? this.persons.inLevels(content, room.state) : content;
  }

  /** The same rules and side effects as `/join`, `/invite`, `/kick` and so on. */
  async #setMember(sender: string, { roomId, stateKey: target, content }: ClientState): Promise<SentEvent> {
    if (!isUserId(target)) throw MatrixError.invalidParam('The state key of a member event is a user id');
    const { membership, ...extra } = content;
    const room = await this.registry.find(roomId);
    if (!room) throw MatrixError.forbidden('You are not in this room');
    const reason = typeof extra['reason'] === 'string' ? { reason: extra['reason'] } : {};
    const change = { roomId, sender, target, ...reason };
    const current = membershipOf(room.state.get('m.room.member', target));
    if (membership === 'join' && sender === target) {
      if (current === 'join') await this.changes.update(roomId, sender, extra);
      else await this.joiner.join({ roomId, userId: sender, via: [], content: extra });
    } else if (membership === 'knock' && sender === target) await this.knocker.knock({ roomId, userId: sender, via: [], content: extra });
    else if (membership === 'invite') await this.inviter.invite({ roomId, sender, target, content: extra });
    else if (membership === 'leave' && sender === target) await this.changes.leave(change);
    else if (membership === 'leave' && typeof extra['io.partyline.release'] === 'boolean') await this.changes.kick({ ...change, release: extra['io.partyline.release'] });
    else if (membership === 'leave') await (current === 'ban' ? this.changes.unban(change) : this.changes.kick(change));
    else if (membership === 'ban') await this.changes.ban(change);
    else throw MatrixError.forbidden('This membership cannot be set');
    const event = room.state.get('m.room.member', target);
    if (!event) throw MatrixError.forbidden('The membership was not changed');
    return { eventId: event.eventId, destinations: room.state.otherServers };
  }

  // Of the device, not of the token: a client that logs in again with its device repeats itself.
  #onceOnlyKey(requester: Requester, parts: readonly string[]): string {
    const text = JSON.stringify([requester.userId, requester.deviceId ?? requester.tokenHash, ...parts]);
    return this.#hash.of(text).subarray(0, 16).toString('base64url');
  }
}
