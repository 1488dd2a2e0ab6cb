import { fork, type ChildProcess } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { MatrixError } from '../../errors/matrix-error.js';
import { Log } from '../../observability/log.js';
import type { ThumbnailJob, ThumbnailResult } from './thumbnail-job.js';

/** Beside the thread that serves requests. */
const MAX_PROCESSES = Math.min(4, Math.max(1, availableParallelism() - 1));
const MAX_WAITING = 200;
const JOB_MS = 20_000;
/** The memory of a process is given back when nobody needed it for so long. */
const IDLE_MS = 30_000;
const PROGRAM = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './thumbnail-process.ts' : './thumbnail-process.js', import.meta.url));

interface Waiting {
  readonly job: ThumbnailJob;
  readonly resolve: (result: ThumbnailResult) => void;
}

/** Has thumbnails made by processes of their own, a few at once, and none while there is nothing to do. */
@Injectable()
export class ThumbnailMaker implements OnApplicationShutdown {
  readonly #waiting: Waiting[] = [];
  readonly #idle: { readonly child: ChildProcess; readonly timer: NodeJS.Timeout }[] = [];
  readonly #children = new Set<ChildProcess>();

  constructor(private readonly log: Log) {}

  /** Processes that there are; tests read it. */
  get processes(): number {
    return this.#children.size;
  }

  /** @throws MatrixError 429 M_LIMIT_EXCEEDED when too many wait */
  make(job: ThumbnailJob): Promise<ThumbnailResult> {
    if (this.#waiting.length >= MAX_WAITING) {
      throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many thumbnails are being made', { retry_after_ms: 2_000 });
    }
    return new Promise((resolve) => {
      this.#waiting.push({ job, resolve });
      this.#next();
    });
  }

  onApplicationShutdown(): void {
    for (const { timer } of this.#idle) clearTimeout(timer);
    for (const child of this.#children) child.kill('SIGKILL');
    for (const { resolve } of this.#waiting.splice(0)) resolve({ problem: 'no picture' });
  }

  #next(): void {
    if (this.#waiting.length === 0) return;
    const idle = this.#idle.pop();
    if (idle) clearTimeout(idle.timer);
    else if (this.#children.size >= MAX_PROCESSES) return;
    this.#run(idle?.child ?? this.#begin(), this.#waiting.shift()!);
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

  #run(child: ChildProcess, { job, resolve }: Waiting): void {
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
      this.#next();
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
