import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { MatrixError } from '../errors/matrix-error.js';
import { Clock } from '../observability/clock.js';
import { AccessTokens } from './access-tokens.js';
import type { Requester } from './requester.js';

/** A request or connection that stays open, on behalf of a session that may end meanwhile. */
export interface OpenSession {
  /** Fires when the session ends. */
  readonly signal: AbortSignal;
  /** @throws MatrixError 401 when the session has ended */
  assertOpen(): void;
  /** Called when the request is answered, or the connection gone. */
  release(): void;
}

interface Held {
  readonly userId: string;
  end(error: MatrixError): void;
}

/** What waits for a session that ends (revoked, expired, locked out) learns it at once: long polls and sockets. */
@Injectable()
export class OpenSessions implements OnModuleDestroy {
  readonly #held = new Map<string, Set<Held>>();
  readonly #unsubscribe: () => void;

  constructor(
    private readonly clock: Clock,
    tokens: AccessTokens,
  ) {
    this.#unsubscribe = tokens.onRevoked((hashes) => {
      for (const hash of hashes) for (const one of this.#held.get(hash) ?? []) one.end(new MatrixError(401, 'M_UNKNOWN_TOKEN', 'The session has ended'));
    });
  }

  onModuleDestroy(): void {
    this.#unsubscribe();
  }

  /** To be called in the turn in which the token was found good, so that no end slips through. */
  hold({ userId, tokenHash, expiresTs }: Requester): OpenSession {
    let ended: MatrixError | undefined;
    // Most requests are answered at once, and ask for no signal.
    let controller: AbortController | undefined;
    const held: Held = {
      userId,
      end: (error) => {
        ended ??= error;
        controller?.abort(ended);
      },
    };
    const all = this.#held.get(tokenHash) ?? new Set<Held>();
    this.#held.set(tokenHash, all.add(held));
    const expire = (): void => held.end(expired());
    const timer = expiresTs === undefined ? undefined : setTimeout(expire, Math.max(0, expiresTs - this.clock.now())).unref();
    return {
      get signal() {
        controller ??= new AbortController();
        if (ended) controller.abort(ended);
        return controller.signal;
      },
      assertOpen: () => {
        if (expiresTs !== undefined && expiresTs <= this.clock.now()) throw expired();
        if (ended) throw ended;
      },
      release: () => {
        clearTimeout(timer);
        all.delete(held);
        if (all.size === 0 && this.#held.get(tokenHash) === all) this.#held.delete(tokenHash);
      },
    };
  }

  /** The account is locked. Walks all that is open: for rare events only. */
  lock(userId: string): void {
    for (const all of this.#held.values()) for (const one of all) if (one.userId === userId) one.end(userLocked());
  }
}

/** Client-Server, "Account locking". */
export function userLocked(): MatrixError {
  return new MatrixError(401, 'M_USER_LOCKED', 'This account is locked', { soft_logout: true });
}

function expired(): MatrixError {
  return new MatrixError(401, 'M_UNKNOWN_TOKEN', 'The access token has expired', { soft_logout: true });
}
