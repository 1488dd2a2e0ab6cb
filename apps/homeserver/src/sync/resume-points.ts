import { Injectable } from '@nestjs/common';
import type { SyncCursor } from './sync-token.js';

/** Keeps where clients that came from another home go on (protocol §5, exact resume). */
export abstract class ResumePoints {
  /** The stored point, or undefined when this account has none of this name. */
  abstract load(userId: string, resumeId: string): Promise<SyncCursor | undefined>;
}

/** The resume points of a server on which nobody resumes. */
@Injectable()
export class NoResumePoints extends ResumePoints {
  override load(): Promise<undefined> {
    return Promise.resolve(undefined);
  }
}
