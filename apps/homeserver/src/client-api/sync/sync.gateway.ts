import type { IncomingMessage } from 'node:http';
import { OnGatewayConnection, WebSocketGateway } from '@nestjs/websockets';
import type { OnModuleDestroy } from '@nestjs/common';
import type { WebSocket } from 'ws';
import { type OpenSession, OpenSessions, userLocked } from '../../accounts/open-sessions.js';
import type { Requester } from '../../accounts/requester.js';
import { Authenticator } from '../../auth/authenticator.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { presenceNames } from '../../ephemeral/presence/presence-state.js';
import { accessTokenOf } from '../../http/request.guard.js';
import { ByteBudget } from '../../http/byte-budget.js';
import { RateLimits } from '../../http/rate-limits.js';
import { Log } from '../../observability/log.js';
import { Stopping } from '../../observability/stopping.js';
import { SyncService } from '../../sync/sync.service.js';
import { UNSTABLE_STATE_AFTER, UNSTABLE_USE } from './sync.controller.js';
import { SyncSocket } from './sync-socket.js';

/** Connections of one account; the next one is closed. */
const MAX_PER_USER = 20;
/** Bytes of frames that were sent and not acknowledged: in all, and of one account. */
const MAX_HELD_BYTES = 128 * 1024 * 1024;
const MAX_HELD_BYTES_PER_USER = 16 * 1024 * 1024;
/** Sub-protocol that carries the token, for browsers, which cannot set headers. */
const TOKEN_PROTOCOL = 'access_token.';

/** Codes of WebSocket closes: 4000 + what HTTP would answer. */
export const CloseCode = { badRequest: 4400, badToken: 4401, tooMany: 4429, failed: 4500 } as const;

/** Sync over WebSocket (protocol §9): every frame is a `/sync` answer. */
@WebSocketGateway({ path: '/_matrix/client/unstable/io.partyline/ws', maxPayload: 4_096 })
export class SyncGateway implements OnGatewayConnection<WebSocket>, OnModuleDestroy {
  readonly #sockets = new Map<string, Set<SyncSocket>>();
  readonly #frames = new ByteBudget(MAX_HELD_BYTES, MAX_HELD_BYTES_PER_USER);
  constructor(
    private readonly authenticator: Authenticator,
    private readonly sync: SyncService,
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

  async handleConnection(client: WebSocket, request: IncomingMessage): Promise<void> {
    const url = new URL(request.url ?? '/', 'ws://localhost');
    const query = Object.fromEntries(url.searchParams);
    // Messages that arrive while the token is looked up must not be lost.
    const socket = new SyncSocket(client);
    let session: OpenSession | undefined;
    try {
      const requester = await this.#authenticate(request, query);
      session = this.sessions.hold(requester);
      session.signal.addEventListener('abort', () => socket.close(CloseCode.badToken));
      this.limits.take('socket', requester.userId);
      await this.#run(socket, requester.userId, request, query);
    } catch (error) {
      if (!(error instanceof MatrixError)) this.log.error('sync over WebSocket failed', error);
      socket.close(closeCodeOf(error));
    } finally {
      session?.release();
    }
  }

  async #run(socket: SyncSocket, userId: string, request: IncomingMessage, query: Record<string, string>): Promise<void> {
    const sockets = this.#sockets.get(userId) ?? new Set<SyncSocket>();
    if (sockets.size >= MAX_PER_USER || this.stopping.signal.aborted) return socket.close(CloseCode.tooMany);
    this.#sockets.set(userId, sockets.add(socket));
    try {
      await socket.run(async (since, timeoutMs, signal) => this.sync.sync(await this.#authenticate(request, query), {
        since: since ?? undefined,
        filter: query['filter'],
        fullState: false,
        useStateAfter: query['use_state_after'] === 'true' || query[UNSTABLE_USE] === 'true',
        ...(query['use_state_after'] !== 'true' && query[UNSTABLE_USE] === 'true' && { stateAfterName: UNSTABLE_STATE_AFTER }),
        frontier: query['io.partyline.frontier'] === 'true',
        setPresence: presenceNames.find((name) => name === query['set_presence']),
        timeoutMs,
      }, { signal }), query['since'] ?? null, {
        take: (bytes) => this.#frames.take(userId, bytes),
        give: (bytes) => this.#frames.give(userId, bytes),
      });
    } finally {
      sockets.delete(socket);
      if (sockets.size === 0 && this.#sockets.get(userId) === sockets) this.#sockets.delete(userId);
    }
  }

  /** @throws MatrixError 401 also for accounts that are locked, as for `/sync` */
  async #authenticate(request: IncomingMessage, query: Record<string, string>): Promise<Requester> {
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
