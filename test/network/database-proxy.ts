import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { PostgresMessages } from './postgres-messages.js';

/**
 * What becomes of a COMMIT. `answer lost`: it arrives, and the connection breaks before its answer does; `commit lost`: the connection
 * breaks at the client's side only, so that the database waits for it; `silent`: it arrives, and nothing ever comes back; `late`: the connection
 * breaks, and a transaction of one message arrives as a whole when `deliver` says so; `last`: it is answered, and then all connections break, and no
 * other one is made.
 */
export type CommitFate = 'answer lost' | 'commit lost' | 'silent' | 'late' | 'last';

/** What the database says at the end of what it has committed: ReadyForQuery, in no transaction. */
const IDLE = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

interface Plan {
  readonly statement: string;
  readonly fate: CommitFate;
  readonly done: () => void;
}

/** The way from a server to its database: a TCP port that passes on what it gets, understands it, and can be cut at a COMMIT. */
export class DatabaseProxy {
  readonly #plans: Plan[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #late: (() => Promise<void>)[] = [];
  readonly #near = new Set<Socket>();
  #isRefusing = false;
  #choose: () => CommitFate | undefined = () => undefined;

  private constructor(
    private readonly server: Server,
    private readonly target: string,
  ) {}

  /** @param url connection string of a database behind a socket in a folder */
  static async open(url: string): Promise<{ proxy: DatabaseProxy; url: string }> {
    const [, folder, database] = /^postgresql:\/\/postgres@([^/]+)\/(.+)$/.exec(url)!;
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy = new DatabaseProxy(server, `${decodeURIComponent(folder!)}/.s.PGSQL.5432`);
    server.on('connection', (socket) => proxy.#accept(socket));
    return { proxy, url: `postgresql://postgres@127.0.0.1:${(server.address() as AddressInfo).port}/${database}` };
  }

  /**
   * Cuts the next transaction at its COMMIT in which a statement runs whose name begins so.
   *
   * @returns resolves when that has happened
   */
  cut(statement: string, fate: CommitFate): Promise<void> {
    return new Promise((done) => this.#plans.push({ statement, fate, done }));
  }

  /** What becomes of each COMMIT from now on for which nothing else is planned; undefined: it is answered. */
  haunt(choose: () => CommitFate | undefined): void {
    this.#choose = choose;
  }

  /** Whether new connections are refused; those that are there stay. */
  refuse(isRefusing: boolean): void {
    this.#isRefusing = isRefusing;
  }

  /** What was late arrives. Resolves when the database has dealt with it. */
  async deliver(): Promise<void> {
    await Promise.all(this.#late.splice(0).map((send) => send()));
  }

  /** From now on nothing of what is said on the connections that are there arrives, in either direction. */
  silence(): void {
    for (const socket of this.#sockets) socket.removeAllListeners('data').on('data', () => undefined);
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  #accept(near: Socket): void {
    if (this.#isRefusing) return void near.destroy();
    const far = connect(this.target);
    const messages = new PostgresMessages();
    let fate: CommitFate | undefined;
    /** What the database does not have yet of what it answers as a whole. */
    const held: Buffer[] = [];
    const pass = (): void => {
      for (const bytes of held.splice(0)) far.write(bytes);
    };
    near.on('data', (bytes) => {
      for (const message of messages.read(bytes)) {
        const plan = message.isCommit && !fate ? this.#planFor(message.statements) : undefined;
        if (plan && plan.fate !== 'last') ({ fate } = plan);
        if (plan && (fate === 'commit lost' || fate === 'late')) {
          if (fate === 'commit lost') pass();
          else this.#late.push(() => new Promise((done) => {
            // The database may have ended the session meanwhile.
            if (far.destroyed) done();
            else far.once('data', () => done()).once('close', () => done()).write(Buffer.concat([...held, message.bytes]));
          }));
          near.removeAllListeners('close').destroy();
          plan.done();
          return;
        }
        // Its answer is the sign that it is done.
        if (plan?.fate === 'last') far.on('data', (answer: Buffer) => {
          if (!answer.subarray(-IDLE.length).equals(IDLE)) return;
          plan.done();
          this.#end(near);
        });
        else if (plan) far.once('data', () => {
          plan.done();
          if (fate === 'answer lost') near.destroy();
        });
        held.push(message.bytes);
        if (message.isEnd) pass();
      }
    });
    far.on('data', (bytes) => fate ?? void near.write(bytes));
    this.#near.add(near);
    near.once('close', () => this.#near.delete(near));
    for (const [from, to] of [[near, far], [far, near]] as const) {
      this.#sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
  }

  /** @param last is passed on what was said before */
  #end(last: Socket): void {
    this.#isRefusing = true;
    for (const socket of this.#near) if (socket !== last) socket.destroy();
    last.end();
  }

  #planFor(statements: readonly string[]): Plan | undefined {
    const at = this.#plans.findIndex((plan) => statements.some((name) => name.startsWith(plan.statement)));
    if (at >= 0) return this.#plans.splice(at, 1)[0];
    const fate = this.#choose();
    return fate && { statement: '', fate, done: () => undefined };
  }
}
