import type { Profile } from './profiles.js';

/** Profiles of accounts that are served elsewhere. */
export abstract class RemoteProfiles {
  /**
   * @param field only this field is needed
   * @throws MatrixError 404 M_NOT_FOUND when the account's server says so; 502 or 504 M_UNKNOWN when it cannot be asked
   */
  abstract get(userId: string, field?: string): Promise<Profile>;
}
