import { fork, type ChildProcess } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { FairSlots, fairLimits } from '../../federation/outgoing/fair-slots.js';
import { Log } from '../../observability/log.js';
import type { ThumbnailJob, ThumbnailResult } from './thumbnail-job.js';

/** Beside the thread that serves requests. */
const MAX_PROCESSES = Math.min(4, Math.max(1, availableParallelism() - 1));
const JOB_MS = 60_000;
/** The memory of a process is given back when nobody needed it for so long. */
const IDLE_MS = 30_000;
const PROGRAM = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './thumbnail-process.ts' : './thumbnail-process.js', import.meta.url));

/** Has thumbnails made by processes of their own, a few at once, and none while there is nothing to do. */
@Injectable()
export class ThumbnailMaker implements OnApplicationShutdown {
  readonly #idle: { readonly child: ChildProcess; readonly timer: NodeJS.Timeout }[] = [];
  readonly #children = new Set<ChildProcess>();
  /** Accounts in turn: nobody waits behind all pictures of another one. */
  readonly #slots = new FairSlots(fairLimits(MAX_PROCESSES, { waiting: 2_000, waitingPerAccount: 200 }), Infinity);

  /** Jobs since the start; tests read it. */
  made = 0;

  constructor(private readonly log: Log) {}

  /**
   * @param party who wants it
   * @throws MatrixError 429 M_LIMIT_EXCEEDED when too many wait
   */
  make(job: ThumbnailJob, party: string): Promise<ThumbnailResult> {
    return this.#slots.run({ account: party }, () => new Promise((resolve) => {
      this.made++;
      const idle = this.#idle.pop();
      if (idle) clearTimeout(idle.timer);
      this.#run(idle?.child ?? this.#begin(), job, resolve);
    }));
  }

  onApplicationShutdown(): void {
    for (const { timer } of this.#idle) clearTimeout(timer);
    for (const child of this.#children) child.kill('SIGKILL');
  }

  #begin(): ChildProcess {
    // Of the server's environment it needs nothing, and gets no passwords.
    const child = fork(PROGRAM, [], { execArgv: [], env: { VIPS_CONCURRENCY: '1' }, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    // It cannot be started, or was killed while it was told something: its job ends with it.
    child.on('error', (error) => this.log.warn('a process for thumbnails failed', { error: String(error) }));
    return child;
  }

  #run(child: ChildProcess, job: ThumbnailJob, resolve: (result: ThumbnailResult) => void): void {
    const end = (result: ThumbnailResult, isWell: boolean): void => {
      clearTimeout(timer);
      child.off('message', onMessage).off('exit', onEnd).off('error', onEnd);
      if (isWell) {
        const timer = setTimeout(() => {
          this.#idle.splice(this.#idle.findIndex((one) => one.child === child), 1);
          child.disconnect();
        }, IDLE_MS).unref();
        this.#idle.push({ child, timer });
      } else {
        this.#children.delete(child);
        child.kill('SIGKILL');
      }
      resolve(result);
    };
    const onMessage = (result: ThumbnailResult): void => end(result, true);
    const onEnd = (): void => end({ problem: 'no picture' }, false);
    const timer = setTimeout(() => {
      this.log.warn('a thumbnail took too long', { width: job.width, height: job.height });
      onEnd();
    }, JOB_MS).unref();
    child.once('message', onMessage).once('exit', onEnd).once('error', onEnd);
    child.send(job, (error) => error && onEnd());
  }
}
