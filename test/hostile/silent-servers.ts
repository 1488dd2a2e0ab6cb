import { createServer, type Server, type Socket } from 'node:net';

/** Servers under many names (addresses of this machine) that take connections and never say anything. */
export class SilentServers {
  /** Addresses at which somebody has called. */
  readonly called = new Set<string>();
  readonly #sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly port: number,
  ) {
    server.on('connection', (socket) => {
      this.called.add(socket.localAddress!);
      this.#sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(): Promise<SilentServers> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
    return new SilentServers(server, (server.address() as { port: number }).port);
  }

  /** Server name of the i-th, below 65,000. */
  name(i: number): string {
    return `127.${1 + Math.floor(i / 250 / 250)}.${Math.floor(i / 250) % 250}.${1 + (i % 250)}:${this.port}`;
  }

  names(count: number): string[] {
    return Array.from({ length: count }, (_, i) => this.name(i));
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
