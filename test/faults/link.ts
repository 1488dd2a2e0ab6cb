import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';

/** What becomes of the traffic. `stalled` is a cable that was pulled: nothing fails, nothing arrives, until it is plugged in again. */
export type LinkState = 'open' | 'refused' | 'stalled';

/** The way from one server to another: a TCP port that passes on what it gets, and can be cut. */
export class Link {
  #state: LinkState = 'open';
  readonly #sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  /** @param targetPort where the traffic goes, on this machine */
  static async open(targetPort: number): Promise<Link> {
    const server = createServer({ pauseOnConnect: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const link = new Link(server, (server.address() as AddressInfo).port);
    server.on('connection', (socket) => link.#accept(socket, targetPort));
    return link;
  }

  get state(): LinkState {
    return this.#state;
  }

  /** Refusing ends what is open; the others stop it or let it go on. */
  set(state: LinkState): void {
    this.#state = state;
    for (const socket of [...this.#sockets]) {
      if (state === 'refused') socket.destroy();
      else if (state === 'stalled') socket.pause();
      else socket.resume();
    }
  }

  async close(): Promise<void> {
    this.set('refused');
    await new Promise((resolve) => this.server.close(resolve));
  }

  #accept(near: Socket, targetPort: number): void {
    if (this.#state === 'refused') {
      near.destroy();
      return;
    }
    const far = connect(targetPort, '127.0.0.1');
    for (const [from, to] of [[near, far], [far, near]] as const) {
      this.#sockets.add(from);
      // Not pipe(), which would resume a socket by itself.
      from.on('data', (bytes) => void to.write(bytes));
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      if (this.#state === 'stalled') from.pause();
      else from.resume();
    }
  }
}
