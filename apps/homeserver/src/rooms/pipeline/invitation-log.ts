import { Injectable } from '@nestjs/common';
import { type JsonObject, roomVersion } from '#federation';
import { parseStoredJson } from '#json';
import { type AccountChange, AccountOps } from '../../accounts/account-ops.js';
import { Clock } from '../../observability/clock.js';
import type { Transaction } from '../../storage/database.js';
import { InvitationsStore, type PendingInvitation } from './invitations.store.js';
import type { RoomCommit } from './room-commit.js';

/**
 * Tells an account's other homes of its invitations and knocks, and of their ends (protocol §4), in the transaction that brings or ends
 * them. What ends one (refused, withdrawn, accepted) does not matter: it is gone at every home.
 */
@Injectable()
export class InvitationLog {
  constructor(
    private readonly store: InvitationsStore,
    private readonly ops: AccountOps,
    private readonly clock: Clock,
  ) {}

  /** What stands before the memberships of the commits are stored. */
  async pending(tx: Transaction, commits: readonly RoomCommit[]): Promise<PendingInvitation[]> {
    const changes = changesOf(commits);
    return changes.length === 0 ? [] : this.store.pending(tx, changes);
  }

  /** @param before see `pending`; the memberships are stored by now */
  async record(tx: Transaction, commits: readonly RoomCommit[], before: readonly PendingInvitation[]): Promise<void> {
    const changes = changesOf(commits);
    const invited = changes.filter(({ membership }) => membership === 'invite' || membership === 'knock');
    const after = invited.length === 0 ? [] : await this.store.pending(tx, invited);
    // A second invitation takes the place of the first one, which may stand at another home: it has not ended.
    const stand = new Set(after.map(({ userId, roomId }) => `${userId} ${roomId}`));
    const ended = before.filter(({ userId, roomId }) => !stand.has(`${userId} ${roomId}`));
    const known = new Set(before.map(nameOf));
    const begun = after.filter((one) => !known.has(nameOf(one)));
    if (ended.length > 0) await this.store.end(tx, ended, this.clock.now());
    const told = new Set(changes.filter((item) => item.isReplica).map((item) => item.userId));
    const ops = new Map<string, AccountChange[]>();
    const note = (one: PendingInvitation, op: AccountChange | null) => {
      if (op && !told.has(one.userId)) ops.set(one.userId, [...(ops.get(one.userId) ?? []), op]);
    };
    for (const one of ended) note(one, isPortable(one) ? { kind: 'invitation', key: keyOf(one), value: null } : null);
    for (const one of begun) note(one, invitationOp(one));
    if (ops.size > 0) await this.ops.recordAll(tx, ops);
  }
}

/**
 * The operation that tells other homes; null for a room of which they can be no part. The value is JSON text, as invitations may hold
 * numbers that canonical JSON lacks.
 */
export function invitationOp(one: PendingInvitation): AccountChange | null {
  if (!isPortable(one)) return null;
  const value = {
    room_version: one.version, event: parseStoredJson(one.json) as JsonObject, stripped_state: parseStoredJson(one.strippedState ?? '[]') as JsonObject[],
    ...(one.via ? { via: [...one.via] } : {}),
  };
  return { kind: 'invitation', key: keyOf(one), value: JSON.stringify(value) };
}

function changesOf(commits: readonly RoomCommit[]) {
  return commits.flatMap((commit) => commit.localMemberships.map((item) => ({ ...item, roomNid: commit.roomNid })));
}

function isPortable({ version }: PendingInvitation): boolean {
  return roomVersion(version)?.portable === true;
}

function keyOf({ roomId, eventId }: PendingInvitation): string {
  return JSON.stringify([roomId, eventId]);
}

function nameOf({ userId, eventId }: PendingInvitation): string {
  return `${userId} ${eventId}`;
}
