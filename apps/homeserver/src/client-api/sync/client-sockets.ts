import type { IncomingMessage } from 'node:http';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { type OpenSession, OpenSessions, userLocked } from '../../accounts/open-sessions.js';
import type { Requester } from '../../accounts/requester.js';
import { Authenticator } from '../../auth/authenticator.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { ByteBudget } from '../../http/byte-budget.js';
import { RateLimits } from '../../http/rate-limits.js';
import { accessTokenOf } from '../../http/request.guard.js';
import { Log } from '../../observability/log.js';
import { Stopping } from '../../observability/stopping.js';
import type { ClientSocket, FrameBudget } from './client-socket.js';

/** Connections of one account; the next one is closed. */
const MAX_PER_USER = 20;
/** Bytes of frames that were sent and not acknowledged: in all, and of one account. */
const MAX_HELD_BYTES = 128 * 1024 * 1024;
const MAX_HELD_BYTES_PER_USER = 16 * 1024 * 1024;
/** Sub-protocol that carries the token, for browsers, which cannot set headers. */
const TOKEN_PROTOCOL = 'access_token.';

/** Codes of WebSocket closes: 4000 + what HTTP would answer. */
export const CloseCode = { badRequest: 4400, badToken: 4401, tooMany: 4429, failed: 4500 } as const;

/** A connection whose client has shown a token. */
export interface AcceptedSocket {
  readonly query: Readonly<Record<string, string>>;
  readonly budget: FrameBudget;
  /** Asks again whose token it is. @throws MatrixError 401 */
  authenticate(): Promise<Requester>;
}

/** The WebSockets of all clients: who may have one, how many, and how they end. */
@Injectable()
export class ClientSockets implements OnModuleDestroy {
  readonly #sockets = new Map<string, Set<ClientSocket>>();
  readonly #frames = new ByteBudget(MAX_HELD_BYTES, MAX_HELD_BYTES_PER_USER);

  constructor(
    private readonly authenticator: Authenticator,
    private readonly stopping: Stopping,
    private readonly limits: RateLimits,
    private readonly log: Log,
    private readonly sessions: OpenSessions,
  ) {
    // The server waits for its connections to end before it closes its modules.
    this.stopping.signal.addEventListener('abort', () => this.#closeAll(), { once: true });
  }

  onModuleDestroy(): void {
    this.#closeAll();
  }

  /** Serves a connection until it ends. */
  async accept(socket: ClientSocket, request: IncomingMessage, serve: (accepted: AcceptedSocket) => Promise<void>): Promise<void> {
    const query = Object.fromEntries(new URL(request.url ?? '/', 'ws://localhost').searchParams);
    let session: OpenSession | undefined;
    try {
      const requester = await this.#authenticate(request, query);
      session = this.sessions.hold(requester);
      session.signal.addEventListener('abort', () => socket.close(CloseCode.badToken));
      this.limits.take('socket', requester.userId);
      await this.#serve(socket, requester.userId, (budget) => serve({ query, budget, authenticate: () => this.#authenticate(request, query) }));
    } catch (error) {
      if (!(error instanceof MatrixError)) this.log.error('sync over WebSocket failed', error);
      socket.close(closeCodeOf(error));
    } finally {
      session?.release();
    }
  }

  async #serve(socket: ClientSocket, userId: string, serve: (budget: FrameBudget) => Promise<void>): Promise<void> {
    const sockets = this.#sockets.get(userId) ?? new Set<ClientSocket>();
    if (sockets.size >= MAX_PER_USER || this.stopping.signal.aborted) return socket.close(CloseCode.tooMany);
    this.#sockets.set(userId, sockets.add(socket));
    try {
      await serve({ take: (bytes) => this.#frames.take(userId, bytes), give: (bytes) => this.#frames.give(userId, bytes) });
    } finally {
      sockets.delete(socket);
      if (sockets.size === 0 && this.#sockets.get(userId) === sockets) this.#sockets.delete(userId);
    }
  }

  /** @throws MatrixError 401 also for accounts that are locked, as for `/sync` */
  async #authenticate(request: IncomingMessage, query: Readonly<Record<string, string>>): Promise<Requester> {
    const protocols = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
    const token = accessTokenOf({ headers: request.headers, query })
      ?? protocols.find((name) => name.startsWith(TOKEN_PROTOCOL))?.slice(TOKEN_PROTOCOL.length);
    if (token === undefined || token === '') throw new MatrixError(401, 'M_MISSING_TOKEN', 'Missing access token');
    const requester = await this.authenticator.authenticate(token, {
      address: request.socket.remoteAddress ?? '', userAgent: request.headers['user-agent'], query,
    });
    if (requester.isLocked) throw userLocked();
    return requester;
  }

  #closeAll(): void {
    for (const sockets of this.#sockets.values()) for (const socket of sockets) socket.terminate();
  }
}

function closeCodeOf(error: unknown): number {
  if (!(error instanceof MatrixError)) return CloseCode.failed;
  if (error.status === 401) return CloseCode.badToken;
  return error.status === 429 ? CloseCode.tooMany : CloseCode.badRequest;
}
