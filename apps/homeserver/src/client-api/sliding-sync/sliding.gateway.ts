import type { IncomingMessage } from 'node:http';
import { OnGatewayConnection, WebSocketGateway } from '@nestjs/websockets';
import type { WebSocket } from 'ws';
import { validate } from '../../http/validate.js';
import { SlidingSyncService } from '../../sync/sliding/sliding-sync.service.js';
import { ClientSockets } from '../sync/client-sockets.js';
import { unstableRequest, v4Request } from './sliding-bodies.js';
import { SlidingSocket } from './sliding-socket.js';
import { unstableBody } from './unstable-body.js';
import { v4Body } from './v4-body.js';

/** Sliding sync over WebSocket (protocol §9): frames as they would be posted, in the form of MSC4186, or with `form=unstable` of today's clients. */
@WebSocketGateway({ path: '/_matrix/client/unstable/io.partyline/ws/sliding', maxPayload: 128 * 1024 })
export class SlidingGateway implements OnGatewayConnection<WebSocket> {
  constructor(
    private readonly sockets: ClientSockets,
    private readonly sync: SlidingSyncService,
  ) {}

  async handleConnection(client: WebSocket, request: IncomingMessage): Promise<void> {
    // Messages that arrive while the token is looked up must not be lost.
    const socket = new SlidingSocket(client);
    await this.sockets.accept(socket, request, ({ query, budget, authenticate }) => {
      const frontier = query['io.partyline.frontier'] === 'true';
      return socket.run(async (body, timeoutMs, signal) => {
        const beside = { requester: await authenticate(), frontier, timeoutMs };
        const asked = query['form'] === 'unstable'
          ? unstableRequest(validate(unstableBody, body, 'M_BAD_JSON'), beside)
          : v4Request(validate(v4Body, body, 'M_BAD_JSON'), beside);
        return this.sync.sync(asked, { signal });
      }, budget);
    });
  }
}
