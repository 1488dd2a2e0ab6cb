/** Who makes a request, as its access token says. */
export interface Requester {
  readonly userId: string;
  /** null for application services that act without a device. */
  readonly deviceId: string | null;
  readonly isGuest: boolean;
  readonly isAdmin: boolean;
  /** May read and leave, but not do what others see (client-api "account suspension"). */
  readonly isSuspended: boolean;
  /** May only log out. */
  readonly isLocked: boolean;
  /** Base64url of the SHA-256 of the token; names the session without revealing the token. */
  readonly tokenHash: string;
  /** Milliseconds since the Unix epoch; absent for tokens that do not expire. */
  readonly expiresTs?: number;
  /** Id of the application service that acts. */
  readonly appserviceId?: string;
}
