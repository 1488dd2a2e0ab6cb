/** An account that this server serves. */
export interface Account {
  readonly userId: string;
  /** argon2id in PHC format; null where nobody can log in with a password. */
  readonly passwordHash: string | null;
  readonly isGuest: boolean;
  readonly isAdmin: boolean;
  readonly isSuspended: boolean;
  readonly isLocked: boolean;
  readonly appserviceId: string | null;
  /** Milliseconds since the epoch. */
  readonly createdTs: number;
  /** Milliseconds since the epoch; null while the account lives. */
  readonly deactivatedTs: number | null;
}

export interface NewAccount {
  readonly userId: string;
  readonly passwordHash?: string | null;
  readonly isGuest?: boolean;
  readonly isAdmin?: boolean;
  readonly appserviceId?: string;
}
