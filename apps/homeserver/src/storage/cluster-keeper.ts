import { statfs } from 'node:fs/promises';
import type { DatabaseHealth } from './database-health.js';
import type { PrivateCluster } from './private-cluster.js';

/** Looking costs a few system calls. */
const LOOK_EVERY_MS = 500;
const DISK_EVERY_MS = 2_000;
/** After a start that failed; doubled each time. */
const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 30_000;
/** Below this nothing is stored. PostgreSQL needs some room to go on at all: its log of changes grows before it is cut. */
export const MIN_FREE_BYTES = 200_000_000;
/** Not before this much is free again, so that it does not go to and fro. */
const ENOUGH_FREE_BYTES = 250_000_000;

/**
 * Watches a private cluster for life: starts it again when its process has died, however that happened (the memory killer, a full disk),
 * as often as it takes, and says so; and stops writes before its disk is full.
 */
export class ClusterKeeper {
  #timer: NodeJS.Timeout | undefined;
  #work: Promise<void> = Promise.resolve();
  #isEnded = false;
  #pauseMs = FIRST_PAUSE_MS;
  #nextDiskLook = 0;

  constructor(
    private readonly cluster: PrivateCluster,
    private readonly health: DatabaseHealth,
    private readonly steady: () => number = () => performance.now(),
  ) {}

  /** Resolves when the disk has been looked at. */
  async begin(): Promise<void> {
    await this.#lookAtDisk();
    this.#again(LOOK_EVERY_MS);
  }

  /** Ends the watch; what is being done is finished. The cluster goes on. */
  async end(): Promise<void> {
    this.#isEnded = true;
    clearTimeout(this.#timer);
    await this.#work;
  }

  #again(afterMs: number): void {
    if (this.#isEnded) return;
    this.#timer = setTimeout(() => {
      this.#work = this.#look().then((pauseMs) => this.#again(pauseMs));
    }, afterMs);
    this.#timer.unref();
  }

  /** @returns when to look again, in milliseconds */
  async #look(): Promise<number> {
    if (!this.cluster.isRunning()) {
      const pauseMs = await this.#revive();
      if (pauseMs !== null) return pauseMs;
    }
    if (this.steady() >= this.#nextDiskLook) await this.#lookAtDisk();
    return LOOK_EVERY_MS;
  }

  /** @returns null when it runs; else the pause until the next try */
  async #revive(): Promise<number | null> {
    if (this.#pauseMs === FIRST_PAUSE_MS) this.health.report('stopped', 'The database has stopped and is being started again. Try again soon.', { folder: this.cluster.folder });
    try {
      await this.cluster.revive();
    } catch (error) {
      const pauseMs = this.#pauseMs;
      this.#pauseMs = Math.min(this.#pauseMs * 2, MAX_PAUSE_MS);
      this.health.report('stopped', 'The database has stopped and cannot be started again at this moment; it is tried again and again. The log says why.', {
        folder: this.cluster.folder,
        reason: (error as Error).message,
      });
      await this.#lookAtDisk();
      return pauseMs;
    }
    this.#pauseMs = FIRST_PAUSE_MS;
    this.health.clear('stopped');
    return null;
  }

  async #lookAtDisk(): Promise<void> {
    this.#nextDiskLook = this.steady() + DISK_EVERY_MS;
    const free = await freeBytes(this.cluster.folder);
    if (free === null) return;
    if (free < MIN_FREE_BYTES) {
      this.health.report('full', `The disk of the database is nearly full, so nothing is stored until ${ENOUGH_FREE_BYTES / 1_000_000} MB are free. Reading works.`, {
        folder: this.cluster.folder,
        freeBytes: free,
      });
    } else if (free >= ENOUGH_FREE_BYTES) this.health.clear('full');
  }
}

/** What an unprivileged user may still write on the disk of a folder; null where that cannot be told. */
export async function freeBytes(folder: string): Promise<number | null> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    return null;
  }
}
