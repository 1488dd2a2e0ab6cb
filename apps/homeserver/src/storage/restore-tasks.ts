import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Log } from '../observability/log.js';
import { DatabaseEpoch } from './database-epoch.js';

/** A task that cannot be done now is tried again after this. */
const RETRY_MS = 60_000;

interface Task {
  readonly work: () => Promise<void>;
  readonly isBackground: boolean;
}

/**
 * What is to be done after a restore, by the folders whose data it is. Each is done once for each restore, also when the server
 * is killed in between: the database has for which epoch it was done last.
 */
@Injectable()
export class RestoreTasks implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #tasks = new Map<string, Task>();
  readonly #running = new Set<Promise<void>>();
  /** By task that failed. */
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #done: Promise<Map<string, string>> | undefined;
  #isReady = false;
  #stopped = false;

  constructor(
    private readonly epoch: DatabaseEpoch,
    private readonly log: Log,
  ) {
    epoch.onRestored(async () => {
      for (const name of this.#tasks.keys()) await this.#run(name);
    });
  }

  /** All modules are there: what works in the background may begin. */
  async onApplicationBootstrap(): Promise<void> {
    this.#isReady = true;
    for (const [name, { isBackground }] of this.#tasks) if (isBackground) await this.#run(name);
  }

  async onModuleDestroy(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    await Promise.all(this.#running);
  }

  /**
   * Does the work now if a restore was noticed at this start, and whenever one is noticed later. Call it when a module is set up,
   * and wait for it. What has to talk with others is done in the background, and again until it succeeds.
   *
   * @param name unique; it is stored
   */
  async register(name: string, work: () => Promise<void>, options: { readonly background?: boolean } = {}): Promise<void> {
    this.#tasks.set(name, { work, isBackground: options.background ?? false });
    await this.#run(name);
  }

  /** A task that failed may succeed now. */
  retry(name: string): void {
    const timer = this.#timers.get(name);
    if (!timer || this.#stopped) return;
    clearTimeout(timer);
    this.#timers.delete(name);
    void this.#run(name);
  }

  /** Resolves when nothing is done in the background. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #run(name: string): Promise<void> {
    const { isBackground } = this.#tasks.get(name)!;
    if (isBackground && !this.#isReady) return;
    const done = await (this.#done ??= this.epoch.store.tasks());
    const { epoch } = this.epoch;
    if (this.epoch.restoredTs === null || done.get(name) === epoch) return;
    if (!isBackground) return this.#do(name, epoch);
    const run = this.#do(name, epoch).catch((error: unknown) => {
      if (this.#stopped) return;
      this.log.warn('a task after a restore is not done yet', { task: name, reason: String(error) });
      clearTimeout(this.#timers.get(name));
      this.#timers.set(name, setTimeout(() => this.retry(name), RETRY_MS).unref());
    });
    this.#running.add(run);
    void run.finally(() => this.#running.delete(run));
  }

  async #do(name: string, epoch: string): Promise<void> {
    await this.#tasks.get(name)!.work();
    await this.epoch.store.putTask(name, epoch);
    (await this.#done!).set(name, epoch);
  }
}
