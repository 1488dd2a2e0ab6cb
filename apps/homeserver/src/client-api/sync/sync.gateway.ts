import type { IncomingMessage } from 'node:http';
import { OnGatewayConnection, WebSocketGateway } from '@nestjs/websockets';
import type { WebSocket } from 'ws';
import { presenceNames } from '../../ephemeral/presence/presence-state.js';
import { SyncService } from '../../sync/sync.service.js';
import { ClientSockets } from './client-sockets.js';
import { UNSTABLE_STATE_AFTER, UNSTABLE_USE } from './sync.controller.js';
import { SyncSocket } from './sync-socket.js';

/** Sync over WebSocket (protocol §9): every frame is a `/sync` answer. */
@WebSocketGateway({ path: '/_matrix/client/unstable/io.partyline/ws', maxPayload: 4_096 })
export class SyncGateway implements OnGatewayConnection<WebSocket> {
  constructor(
    private readonly sockets: ClientSockets,
    private readonly sync: SyncService,
  ) {}

  async handleConnection(client: WebSocket, request: IncomingMessage): Promise<void> {
    // Messages that arrive while the token is looked up must not be lost.
    const socket = new SyncSocket(client);
    await this.sockets.accept(socket, request, ({ query, budget, authenticate }) =>
      socket.run(async (since, timeoutMs, signal) => this.sync.sync(await authenticate(), {
        since: since ?? undefined,
        filter: query['filter'],
        fullState: false,
        useStateAfter: query['use_state_after'] === 'true' || query[UNSTABLE_USE] === 'true',
        ...(query['use_state_after'] !== 'true' && query[UNSTABLE_USE] === 'true' && { stateAfterName: UNSTABLE_STATE_AFTER }),
        frontier: query['io.partyline.frontier'] === 'true',
        setPresence: presenceNames.find((name) => name === query['set_presence']),
        timeoutMs,
      }, { signal }), query['since'] ?? null, budget));
  }
}
