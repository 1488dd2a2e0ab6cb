import { setTimeout as pause } from 'node:timers/promises';
import type { RoomVersionRules } from '#federation';
import { MatrixError } from '../errors/matrix-error.js';
import { NotStored, UnknownOutcome } from '../storage/database-errors.js';
import { canBeGrafted, type Graft, JudgedJobs } from './policy/judged-jobs.js';
import type { PolicyServers } from './policy/policy-servers.js';
import type { CommitService } from './pipeline/commit.service.js';
import { RoomDraft } from './pipeline/room-draft.js';
import type { Extremity, RoomContents, RoomView } from './room-view.js';
import type { RoomState } from './state/room-state.js';
import type { Snapshot } from './state/snapshot.js';

/** Most jobs that wait for one room; further ones are turned away. */
const MAX_QUEUE = 10_000;
/** Most jobs that share a commit. */
const MAX_JOBS = 100;
/** Who needs the room while nobody can say what is stored of it waits for so long. */
const DOUBT_MS = 5_000;

interface Job {
  readonly run: (draft: RoomDraft) => unknown;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
  /** Whether the room's policy server has had its say. */
  readonly isJudged: boolean;
}

/** What a room is built from, by the registry. */
export interface RoomParts extends RoomContents {
  readonly nid: number;
  readonly id: string;
  readonly rules: RoomVersionRules;
  /** Reads the room anew; undefined when the database does not have it. */
  readonly reload: () => Promise<RoomContents | undefined>;
  readonly commits: CommitService;
  readonly policies: PolicyServers;
  readonly graft: Graft;
  readonly nextSnapshotNid: () => number;
  readonly isLocal: (userId: string) => boolean;
}

/**
 * The one writer of a room. Jobs are run one after the other, each on a draft of what the ones before it made; the drafts of
 * all jobs that waited are committed at once, and while that commit is on its way the next jobs gather.
 */
export class Room implements RoomView {
  readonly nid: number;
  readonly id: string;
  readonly rules: RoomVersionRules;
  state: RoomState;
  snapshot: Snapshot;
  extremities: readonly Extremity[];
  readonly #parts: RoomParts;
  readonly #queue: Job[] = [];
  readonly #judged: JudgedJobs;
  #running = false;
  /** Since a commit of which nobody can say whether it is stored: resolves when that is known. */
  #doubt: Promise<void> | null = null;
  #reloading: Promise<void> | null = null;
  #isGone = false;

  constructor(parts: RoomParts) {
    this.#parts = parts;
    this.nid = parts.nid;
    this.id = parts.id;
    this.rules = parts.rules;
    this.state = parts.state;
    this.snapshot = parts.snapshot;
    this.extremities = parts.extremities;
    const { rules } = parts;
    this.#judged = new JudgedJobs({ rules, run: (job) => this.run(job), runJudged: (job) => this.#add(job, true) }, parts.policies, parts.graft);
  }

  isLocal(userId: string): boolean {
    return this.#parts.isLocal(userId);
  }

  /** Whether what is in memory may differ from the database: see `settle`. */
  get isInDoubt(): boolean {
    return this.#doubt !== null;
  }

  /** Whether it came out that the room was never stored. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /**
   * Resolves when what is in memory is what the database has, read anew after a commit that nobody could tell the outcome of.
   *
   * @throws NotStored when the database cannot be asked yet
   */
  async settle(): Promise<void> {
    if (!this.#doubt) return;
    await Promise.race([(this.#reloading ??= this.#reload(this.#doubt)), pause(DOUBT_MS, undefined, { ref: false })]);
    if (this.isInDoubt) throw new NotStored();
  }

  /**
   * Runs a job in the room's queue and commits what it put into its draft. The job may run twice (when a commit that it
   * shared failed because of another job), so it must not have other effects.
   *
   * @returns what the job returned, after the commit
   * @throws what the job or its commit threw; then nothing of the job is stored, unless it is an UnknownOutcome
   */
  run<T>(job: (draft: RoomDraft) => T | Promise<T>): Promise<T> {
    if (this.#queue.length + this.#judged.size >= MAX_QUEUE) {
      return Promise.reject(new MatrixError(429, 'M_LIMIT_EXCEEDED', 'This room has too many requests waiting', { retry_after_ms: 1000 }));
    }
    return this.#add(job, false);
  }

  #add<T>(job: (draft: RoomDraft) => T | Promise<T>, isJudged: boolean): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ run: job, resolve: resolve as (value: never) => void, reject, isJudged });
      if (!this.#running) {
        this.#running = true;
        void this.#work();
      }
    });
  }

  /** A draft on the room as it is now, outside of the queue: for templates and invitations, never to be committed. */
  peek(): RoomDraft {
    return new RoomDraft(this, this.snapshot, this.extremities, this.#parts.nextSnapshotNid);
  }

  async #work(): Promise<void> {
    // A turn of the event loop, so that requests that are read now share the first commit.
    await new Promise(setImmediate);
    while (this.#queue.length > 0) await this.#commitSettled(this.#queue.splice(0, MAX_JOBS));
    this.#running = false;
  }

  async #commitSettled(jobs: readonly Job[]): Promise<void> {
    try {
      await this.settle();
      if (this.#isGone) throw MatrixError.notFound('Unknown room');
    } catch (error) {
      for (const job of jobs) job.reject(error);
      return;
    }
    await this.#commitJobs(jobs);
  }

  async #reload(doubt: Promise<void>): Promise<void> {
    try {
      await doubt;
      const contents = await this.#parts.reload();
      if (contents) Object.assign(this, contents);
      this.#isGone = contents === undefined;
      this.#doubt = null;
    } finally {
      // Where it failed, whoever needs the room next tries again.
      this.#reloading = null;
    }
  }

  async #commitJobs(jobs: readonly Job[]): Promise<void> {
    let draft = new RoomDraft(this, this.snapshot, this.extremities, this.#parts.nextSnapshotNid);
    const done: { job: Job; value: unknown }[] = [];
    for (const job of jobs) {
      const attempt = draft.clone();
      try {
        const value = await job.run(attempt);
        const unsigned = job.isJudged ? undefined : this.#parts.policies.unsigned(draft, attempt);
        if (unsigned && canBeGrafted(draft, attempt)) {
          this.#judged.add(job);
          continue;
        }
        if (unsigned) for (const event of (await this.#parts.policies.sign(unsigned, this.rules)).values()) attempt.replaceText(attempt.find(event.eventId)!, event);
        done.push({ job, value });
        draft = attempt;
      } catch (error) {
        job.reject(error);
      }
    }
    if (!draft.isEmpty) {
      try {
        await this.#parts.commits.submit(draft.toCommit());
      } catch (error) {
        if (error instanceof UnknownOutcome) this.#doubt = error.decided;
        if (done.length === 1 || error instanceof UnknownOutcome || error instanceof NotStored) {
          for (const { job } of done) job.reject(error);
          return;
        }
        for (const { job } of done) await this.#commitSettled([job]);
        return;
      }
      this.#apply(draft);
    }
    for (const { job, value } of done) job.resolve(value as never);
  }

  #apply(draft: RoomDraft): void {
    this.snapshot = draft.snapshot;
    this.extremities = draft.extremities;
    for (const { type, stateKey, entry } of draft.changes.values()) this.state.set(type, stateKey, entry);
    for (const entry of draft.redactedState) {
      const { type, state_key: stateKey } = entry.event.pdu;
      if (this.state.entry(type, stateKey!)?.nid === entry.nid) this.state.set(type, stateKey!, entry);
    }
  }
}
