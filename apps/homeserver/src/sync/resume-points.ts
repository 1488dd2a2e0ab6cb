import { Injectable } from '@nestjs/common';
import type { SyncCursor } from './sync-token.js';

/** Keeps where clients that came from another home go on (protocol §5, exact resume). */
export interface ResumePointSource {
  /** The stored point, or undefined when the account has none of this name. */
  load(userId: string, resumeId: string): Promise<SyncCursor | undefined>;
}

/** Where `/sync` finds resume points. The folder of homes, which makes them, lies above and registers when the server starts. */
@Injectable()
export class ResumePoints {
  #source: ResumePointSource | null = null;

  use(source: ResumePointSource): void {
    this.#source = source;
  }

  async load(userId: string, resumeId: string): Promise<SyncCursor | undefined> {
    return this.#source?.load(userId, resumeId);
  }
}
