import { Injectable } from '@nestjs/common';
import { MatrixError } from '../errors/matrix-error.js';

/** What a login handler sees: the whole body; its `type` is the handler's. */
export interface LoginRequest {
  readonly type: string;
  readonly [member: string]: unknown;
}

export interface LoggedIn {
  readonly userId: string;
  /** Nothing but the account key has proven the owner. */
  readonly byAccountKey?: boolean;
}

export interface LoginType {
  /** Further members of the flow in `GET /login`. */
  readonly flow?: Readonly<Record<string, unknown>>;
  /**
   * Checks the proof.
   *
   * @returns the account to log in
   * @throws MatrixError 403 M_FORBIDDEN
   */
  login(body: LoginRequest): Promise<LoggedIn>;
}

/** The ways to log in; each is registered by the part that knows it when the server starts. */
@Injectable()
export class LoginTypes {
  readonly #types = new Map<string, LoginType>();

  register(type: string, handler: LoginType): void {
    this.#types.set(type, handler);
  }

  /** As in `GET /login`. */
  flows(): Record<string, unknown>[] {
    return [...this.#types].map(([type, { flow }]) => ({ type, ...flow }));
  }

  /** @throws MatrixError 400 M_UNKNOWN for a type that is not offered, and what the type's handler throws */
  async login(body: LoginRequest): Promise<LoggedIn> {
    const handler = this.#types.get(body.type);
    if (!handler) throw MatrixError.unknown(400, 'This kind of login is not offered here');
    return handler.login(body);
  }
}
