import type { SyncCursor } from './sync-token.js';

/**
 * Keeps where clients that came from another home go on (protocol §5, exact resume). The folder of homes, which makes the
 * points, lies above this one: its global module provides this token; without it nobody resumes.
 */
export abstract class ResumePoints {
  /** The stored point, or undefined when the account has none of this name. */
  abstract load(userId: string, resumeId: string): Promise<SyncCursor | undefined>;
}
