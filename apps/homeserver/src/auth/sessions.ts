import { Injectable } from '@nestjs/common';
import { AccessTokens, type IssuedTokens } from '../accounts/access-tokens.js';
import { AccountDirectory } from '../accounts/account-directory.js';
import { Devices } from '../accounts/devices.js';
import { MatrixError } from '../errors/matrix-error.js';
import { Random } from '../observability/random.js';
import type { ServingGuard } from './authenticator.js';

const DEVICE_ID_LENGTH = 10;

export interface NewSession {
  readonly userId: string;
  /** A device to take over or to make under this id; made up if left out. */
  readonly deviceId?: string | undefined;
  /** Name of the device if it is new. */
  readonly displayName?: string | undefined;
  /** The client can refresh tokens. */
  readonly refreshable?: boolean | undefined;
  /** Nothing but the account key has proven the owner. */
  readonly byAccountKey?: boolean | undefined;
}

/** Answer of logins and registrations. */
export interface SessionBody {
  readonly user_id: string;
  readonly access_token: string;
  readonly device_id: string;
  readonly home_server: string;
  readonly refresh_token?: string;
  readonly expires_in_ms?: number;
}

/** Logs in an account whose owner has been checked. */
@Injectable()
export class Sessions {
  #guard: ServingGuard = () => undefined;

  constructor(
    private readonly directory: AccountDirectory,
    private readonly devices: Devices,
    private readonly tokens: AccessTokens,
    private readonly random: Random,
  ) {}

  /** Sets what has to be known before a session begins. Called when the server starts. */
  guard(guard: ServingGuard): void {
    this.#guard = guard;
  }

  /**
   * Tokens that the device had before are revoked.
   *
   * @throws MatrixError 403 M_USER_DEACTIVATED; 403 IO_PARTYLINE_DEVICE_REMOVED
   */
  async open(session: NewSession): Promise<SessionBody> {
    const { userId, displayName, refreshable = false } = session;
    await this.#guard(userId);
    const account = await this.directory.get(userId);
    if (!account) throw MatrixError.forbidden('There is no such account here');
    if (account.deactivatedTs !== null) throw new MatrixError(403, 'M_USER_DEACTIVATED', 'This account has been deactivated');
    const deviceId = session.deviceId || this.#newDeviceId();
    const made = { userId, deviceId, displayName: displayName ?? null, byAccountKey: session.byAccountKey ?? false };
    let issued: IssuedTokens | undefined;
    const isNew = await this.devices.upsert(made, async (tx) => void (issued = await this.tokens.issueIn(tx, { userId, deviceId, refreshable }, null)));
    if (!isNew) await this.tokens.revokeDevice(userId, deviceId);
    issued ??= await this.tokens.issue({ userId, deviceId, refreshable });
    return { user_id: userId, device_id: deviceId, home_server: userId.slice(userId.indexOf(':') + 1), ...tokenBody(issued) };
  }

  #newDeviceId(): string {
    return [...this.random.bytes(DEVICE_ID_LENGTH)].map((byte) => String.fromCharCode(65 + (byte % 26))).join('');
  }
}

/** Tokens as in answers. */
export function tokenBody(issued: IssuedTokens): { access_token: string; refresh_token?: string; expires_in_ms?: number } {
  const { accessToken, refreshToken, expiresInMs } = issued;
  return {
    access_token: accessToken,
    ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
    ...(expiresInMs === undefined ? {} : { expires_in_ms: expiresInMs }),
  };
}
