import { Injectable } from '@nestjs/common';
import { stateKeyOf } from '#federation';
import { Bus } from '../../bus/bus.js';
import { Database, type Transaction } from '../../storage/database.js';
import { GroupCommit } from '../../storage/group-commit.js';
import { StreamPositions } from '../../storage/stream-positions.js';
import { relatedBy, RelationRowsStore } from '../relations/relation-rows.store.js';
import { CommitStore } from './commit.store.js';
import { InvitationLog } from './invitation-log.js';
import type { RoomCommit } from './room-commit.js';

/** Positions that are left free below an event whose prev_events are missing, for those and what is before them. */
const GAP_SIZE = 10_000;

/**
 * The last step of every write to a room: one transaction for all commits that wait, over all rooms; afterwards the
 * positions are published. Positions are given here, so that they rise in the order of commits.
 */
@Injectable()
export class CommitService {
  readonly #commits: GroupCommit<RoomCommit>;

  constructor(
    private readonly db: Database,
    private readonly store: CommitStore,
    private readonly relations: RelationRowsStore,
    private readonly invitations: InvitationLog,
    private readonly positions: StreamPositions,
    private readonly bus: Bus,
  ) {
    this.#commits = new GroupCommit((commits) => this.#flush(commits));
  }

  /** Resolves after the commit and after its positions are published. Rejects with nothing stored, or with UnknownOutcome. */
  submit(commit: RoomCommit): Promise<void> {
    return this.#commits.submit(commit);
  }

  idle(): Promise<void> {
    return this.#commits.idle();
  }

  async #flush(commits: readonly RoomCommit[]): Promise<void> {
    const ends = commits.map((commit) => this.#givePositions(commit));
    await this.db.transaction(async (tx) => {
      const keyNids = await this.#write(tx, commits, ends);
      tx.afterCommit(() => {
        this.store.remember(keyNids);
        this.positions.commit('events', ends.at(-1)!);
        for (const [i, commit] of commits.entries()) this.#publish(commit, ends[i]!);
      });
    });
  }

  /** A commit takes at least one position, because a state or membership change without a timeline event wakes syncs too. */
  #givePositions(commit: RoomCommit): number {
    let last = 0;
    const followGap = new Set(commit.missing.map((item) => item.child));
    for (const event of commit.events) {
      if (event.inTimeline && followGap.has(event)) event.pos = last = this.positions.nextAfterGap('events', GAP_SIZE);
      else if (event.inTimeline) event.pos = last = this.positions.next('events');
      else event.pos = event.historyPos ?? null;
    }
    return last || this.positions.next('events');
  }

  async #write(tx: Transaction, commits: readonly RoomCommit[], ends: readonly number[]): Promise<ReadonlyMap<string, number>> {
    const store = this.store;
    const keys = new Set<string>();
    for (const commit of commits) {
      for (const snapshot of commit.snapshots) for (const key of snapshot.entries.keys()) keys.add(key);
      for (const change of commit.stateChanges) keys.add(stateKeyOf(change.type, change.stateKey));
    }
    // What is asked comes first, so that it is one question.
    const [keyNids, pending] = await Promise.all([store.keyNids(tx, keys), this.invitations.pending(tx, commits)]);
    await store.rooms(tx, commits, ends);
    await store.events(tx, commits);
    await store.snapshots(tx, commits, keyNids);
    await store.currentState(tx, commits);
    await store.localMemberships(tx, commits, ends);
    await this.invitations.record(tx, commits, pending);
    await store.redactions(tx, commits);
    await this.relations.write(tx, commits);
    await store.backwardExtremities(tx, commits);
    await store.stretches(tx, commits);
    return keyNids;
  }

  #publish(commit: RoomCommit, pos: number): void {
    this.bus.publish({
      kind: 'room',
      roomId: commit.roomId,
      roomNid: commit.roomNid,
      pos,
      users: commit.users,
      membershipChanges: commit.membershipChanges,
      hasHistory: commit.events.some((event) => !event.inTimeline && event.pos !== null),
      redacted: commit.redactions.map((redaction) => redaction.targetId),
      related: relatedBy(commit),
      resent: commit.resent.flatMap(({ item: { event, pos: eventPos }, destinations }) =>
        eventPos === null ? [] : [{ event, pos: eventPos, isOwn: true, destinations }]),
      events: commit.events
        .filter((event) => event.inTimeline)
        .map(({ event, pos: eventPos, isOwn, destinations }) => ({ event, pos: eventPos!, isOwn, destinations })),
    });
  }
}
