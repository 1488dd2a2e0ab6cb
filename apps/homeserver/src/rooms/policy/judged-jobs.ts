import type { RoomEvent, RoomVersionRules } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import type { NewEvent } from '../pipeline/room-commit.js';
import type { RoomDraft } from '../pipeline/room-draft.js';
import { EventStatus } from '../timeline/stored-event.js';
import type { PolicyServers, Unsigned } from './policy-servers.js';

/** Jobs that build upon each other and whose events are asked for together. */
const MAX_TOGETHER = 50;

/** A job of a room's queue. */
export interface JudgedJob {
  readonly run: (draft: RoomDraft) => unknown;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

/** Takes an event that was made here on a state that may be old by now (`AcceptEvent`). */
export type Graft = (
  draft: RoomDraft,
  item: { event: RoomEvent; isOwn: true; destinations: readonly string[]; txn: string | null; deviceId: string | null; clientTxn: string | null },
) => Promise<{ readonly held: EventStatus; readonly reason: string | null }>;

/** What the jobs need of their room. */
export interface JudgedRoom {
  readonly rules: RoomVersionRules;
  run<T>(job: (draft: RoomDraft) => T | Promise<T>): Promise<T>;
  /** The same, for events that have been judged. */
  runJudged<T>(job: (draft: RoomDraft) => T | Promise<T>): Promise<T>;
}

type Made = { readonly job: JudgedJob } & ({ readonly error: unknown } | { readonly value: unknown; readonly items: readonly NewEvent[]; readonly unsigned: Unsigned });

/**
 * Jobs of a room whose events its policy server has to sign first. It is asked while the room goes on with what others want of it, since it may be
 * slow, or silent: the events are made in the room's turn, and put into the graph in a later one. One batch is on its way at a time, so that these
 * events are not as many ends of the graph.
 */
export class JudgedJobs {
  readonly #waiting: JudgedJob[] = [];
  #isRunning = false;

  constructor(
    private readonly room: JudgedRoom,
    private readonly policies: PolicyServers,
    private readonly graft: Graft,
  ) {}

  get size(): number {
    return this.#waiting.length;
  }

  add(job: JudgedJob): void {
    this.#waiting.push(job);
    if (!this.#isRunning) void this.#work();
  }

  async #work(): Promise<void> {
    this.#isRunning = true;
    while (this.#waiting.length > 0) {
      const jobs = this.#waiting.splice(0, MAX_TOGETHER);
      try {
        this.#waiting.unshift(...(await this.#judge(jobs)));
      } catch (error) {
        for (const job of jobs) job.reject(error);
      }
    }
    this.#isRunning = false;
  }

  /** @returns jobs that are to be done again: their events were made behind one that did not come to be */
  async #judge(jobs: readonly JudgedJob[]): Promise<JudgedJob[]> {
    const made = await this.room.run((draft) => this.#make(draft, jobs));
    const signed = await Promise.all(made.map(async (one) => {
      try {
        return 'error' in one ? one : { signed: await this.policies.sign(one.unsigned, this.room.rules) };
      } catch (error) {
        return { error };
      }
    }));
    const again: JudgedJob[] = [];
    let isBroken = false;
    for (const [i, one] of made.entries()) {
      const answer = signed[i]!;
      if ('error' in one || 'error' in answer) {
        one.job.reject('error' in one ? one.error : (answer as { error: unknown }).error);
        isBroken ||= !('error' in one);
      } else if (isBroken) again.push(one.job);
      else isBroken = !(await this.#put(one.job, one.value, one.items, answer.signed));
    }
    return again;
  }

  /** Makes the events, one job's upon those of the one before, and leaves the draft as it is. */
  async #make(draft: RoomDraft, jobs: readonly JudgedJob[]): Promise<Made[]> {
    const made: Made[] = [];
    let last = draft;
    for (const job of jobs) {
      const attempt = last.clone();
      try {
        const value = await job.run(attempt);
        const unsigned = this.policies.unsigned(last, attempt);
        // The room has another policy server by now, or none: it is done as any other job.
        if (!unsigned || !canBeGrafted(last, attempt)) void this.room.run(job.run).then(job.resolve as (value: unknown) => void, job.reject);
        else {
          made.push({ job, value, items: attempt.events.slice(last.events.length), unsigned });
          last = attempt;
        }
      } catch (error) {
        made.push({ job, error });
      }
    }
    return made;
  }

  async #put(job: JudgedJob, value: unknown, items: readonly NewEvent[], signed: ReadonlyMap<string, RoomEvent>): Promise<boolean> {
    try {
      await this.room.runJudged(async (draft) => {
        for (const { event, destinations, txn, deviceId, clientTxn } of items) {
          const { held, reason } = await this.graft(draft, {
            event: signed.get(event.eventId) ?? event, isOwn: true, txn, deviceId, clientTxn, destinations: [...new Set([...destinations, ...draft.destinations(event)])],
          });
          if (held !== EventStatus.accepted) throw MatrixError.forbidden(`Not allowed: ${reason ?? 'the room has changed'}`);
        }
      });
    } catch (error) {
      job.reject(error);
      return false;
    }
    job.resolve(value as never);
    return true;
  }
}

/** Whether all that a job has put into its draft follows from events that were made here. */
export function canBeGrafted(before: RoomDraft, draft: RoomDraft): boolean {
  return draft.localMemberships.length === before.localMemberships.length && draft.created === before.created
    && draft.events.slice(before.events.length).every(({ isOwn, status, wasOutlier }) => isOwn && status === EventStatus.accepted && !wasOutlier);
}
