import { SmallestFirst } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { Turns } from './turns.js';

/** A piece of work: for whom, and who has to answer. */
export interface Errand {
  /** Who has it done: a user id, a client's address, or the server that asked. None: this server by itself. */
  readonly account?: string | undefined;
  /** Name of the server whose answer it waits for. */
  readonly destination?: string | undefined;
  /** What it keeps in memory until it is over; 0 unless told. */
  readonly bytes?: number | undefined;
}

export interface FairLimits {
  /** Pieces at once to servers that answer. */
  readonly quick: number;
  /** To servers of which nothing is known. */
  readonly fresh: number;
  /** To servers that did not answer in time; those that turn out to be slow while they are asked come on top. */
  readonly slow: number;
  /** Slow ones at once beyond which no unknown server is asked. */
  readonly overdue: number;
  readonly perDestination: number;
  readonly perAccount: number;
  /** Pieces that wait: in all, and of one account. */
  readonly waiting: number;
  readonly waitingPerAccount: number;
  /** Bytes of all pieces that wait or run, and of one account. */
  readonly bytes: number;
  readonly bytesPerAccount: number;
}

/** A number of pieces that may run at once, and those that wait for one of them to end; each waits at one gate. */
interface Gate {
  readonly size: number;
  running: number;
  readonly waiting: SmallestFirst<Ticket>;
  /** Tickets that name it, waiting or running. */
  users: number;
}

interface Account extends Gate {
  queued: number;
  bytes: number;
}

/** A place in the order. */
export interface Ticket {
  readonly errand: Errand;
  readonly begin: (ticket: Ticket) => void;
  readonly turn: number;
  readonly destinationTurn: number;
  readonly seq: number;
  state: 'waits' | 'runs' | 'overdue' | 'over';
  /** While it runs: the share that it is counted against. */
  share: Gate | undefined;
}

/**
 * Who is next, among accounts and destinations: pure bookkeeping without time, for `FairSlots`.
 *
 * A destination is fresh, quick once it has answered, or slow while and after it is overdue; each kind has a share of its own,
 * so that servers that are silent wait for each other and for nobody else. What becomes overdue leaves the share that it was begun
 * in. Within a share accounts take turns, and of pieces in the same round the destinations.
 */
export class FairOrder {
  readonly #accounts = new Map<string, Account>();
  readonly #destinations = new Map<string, Gate>();
  readonly #shares: { readonly quick: Gate; readonly fresh: Gate; readonly slow: Gate };
  /** Kept beyond the work, so that a server's silence is paid for once. */
  readonly #paces = boundedCache<string, 'quick' | 'slow'>(10_000);
  /** Pieces of a destination that are overdue. */
  readonly #overdue = new Map<string, number>();
  readonly #accountTurns = new Turns();
  readonly #destinationTurns = new Turns();
  #seq = 0;
  #queued = 0;
  #bytes = 0;

  constructor(private readonly limits: FairLimits) {
    this.#shares = { quick: gate(limits.quick), fresh: gate(limits.fresh), slow: gate(limits.slow) };
  }

  /** Pieces that wait. */
  get waiting(): number {
    return this.#queued;
  }

  /**
   * Takes a piece; `begin` is called at once or when its turn comes.
   *
   * @throws MatrixError 429 `M_LIMIT_EXCEEDED` when too much waits, or too much for that account
   */
  enter(errand: Errand, begin: (ticket: Ticket) => void): Ticket {
    this.#checkRoom(errand);
    const { account, destination = '', bytes = 0 } = errand;
    const ticket: Ticket = {
      errand, begin, seq: ++this.#seq, state: 'waits', share: undefined,
      // What nobody asked for takes turns by destination.
      turn: this.#accountTurns.next(account ?? ` ${destination}`),
      destinationTurn: this.#destinationTurns.next(destination),
    };
    for (const one of this.#gatesOf(ticket)) one.users++;
    const payer = account === undefined ? undefined : this.#account(account);
    if (payer) {
      payer.queued++;
      payer.bytes += bytes;
    }
    this.#queued++;
    this.#bytes += bytes;
    this.#place(ticket);
    return ticket;
  }

  /** It takes longer than an answer should: from here on it is counted with the slow ones. */
  setOverdue(ticket: Ticket): void {
    const { destination } = ticket.errand;
    if (ticket.state !== 'runs') return;
    ticket.state = 'overdue';
    const before = ticket.share!;
    before.running--;
    this.#shares.slow.running++;
    ticket.share = this.#shares.slow;
    if (destination !== undefined) {
      this.#overdue.set(destination, (this.#overdue.get(destination) ?? 0) + 1);
      this.#setPace(destination, 'slow');
    }
    this.#admit([before]);
  }

  /**
   * It is over.
   *
   * @param isAnswered whether the destination has answered; a failure that comes at once says nothing about its pace
   */
  leave(ticket: Ticket, isAnswered: boolean): void {
    const { state, errand: { account, destination, bytes = 0 } } = ticket;
    ticket.state = 'over';
    this.#bytes -= bytes;
    if (account !== undefined) this.#account(account).bytes -= bytes;
    const gates = this.#gatesOf(ticket);
    for (const one of gates) {
      one.users--;
      one.running--;
    }
    ticket.share!.running--;
    if (destination !== undefined && state === 'overdue') this.#countDown(destination);
    if (destination !== undefined && state === 'runs' && isAnswered && !this.#overdue.has(destination)) this.#setPace(destination, 'quick');
    this.#admit([...gates, ticket.share!, this.#shares.fresh]);
    this.#tidy(ticket.errand);
  }

  #checkRoom({ account, bytes = 0 }: Errand): void {
    const { limits } = this;
    const payer = account === undefined ? undefined : this.#accounts.get(account);
    const isFull = this.#queued >= limits.waiting || (this.#bytes > 0 && this.#bytes + bytes > limits.bytes)
      || (payer && (payer.queued >= limits.waitingPerAccount || (payer.bytes > 0 && payer.bytes + bytes > limits.bytesPerAccount)));
    if (isFull) throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too much is waiting to be done', { retry_after_ms: 5_000 });
  }

  #place(ticket: Ticket): void {
    const blocked = [...this.#gatesOf(ticket), this.#shareOf(ticket)].find((one) => this.#isFull(one));
    if (blocked) blocked.waiting.push(ticket);
    else this.#begin(ticket);
  }

  #begin(ticket: Ticket): void {
    this.#unqueue(ticket);
    ticket.state = 'runs';
    ticket.share = this.#shareOf(ticket);
    ticket.share.running++;
    for (const one of this.#gatesOf(ticket)) one.running++;
    this.#accountTurns.served(ticket.turn);
    this.#destinationTurns.served(ticket.destinationTurn);
    ticket.begin(ticket);
  }

  /** Goes on with what waits at these gates, in order. What is stopped by another gate waits at that one. */
  #admit(gates: readonly Gate[]): void {
    for (;;) {
      let best: Gate | undefined;
      for (const one of gates) {
        const head = this.#isFull(one) ? undefined : one.waiting.peek();
        if (head && (!best || compare(head, best.waiting.peek()!) < 0)) best = one;
      }
      if (!best) return;
      this.#place(best.waiting.pop()!);
    }
  }

  #isFull(one: Gate): boolean {
    return one.running >= one.size || (one === this.#shares.fresh && this.#shares.slow.running >= this.limits.overdue);
  }

  #shareOf({ errand: { destination } }: Ticket): Gate {
    if (destination === undefined) return this.#shares.quick;
    return this.#shares[this.#paces.get(destination) ?? 'fresh'];
  }

  #gatesOf({ errand: { account, destination } }: Ticket): Gate[] {
    return [
      ...(destination === undefined ? [] : [this.#destination(destination)]),
      ...(account === undefined ? [] : [this.#account(account)]),
    ];
  }

  #account(name: string): Account {
    let found = this.#accounts.get(name);
    if (!found) this.#accounts.set(name, (found = { ...gate(this.limits.perAccount), queued: 0, bytes: 0 }));
    return found;
  }

  #destination(name: string): Gate {
    let found = this.#destinations.get(name);
    if (!found) this.#destinations.set(name, (found = gate(this.limits.perDestination)));
    return found;
  }

  #unqueue({ errand: { account } }: Ticket): void {
    this.#queued--;
    if (account !== undefined) this.#account(account).queued--;
    if (this.#queued > 0) return;
    this.#accountTurns.forget();
    this.#destinationTurns.forget();
  }

  #countDown(destination: string): void {
    const left = this.#overdue.get(destination)! - 1;
    if (left > 0) this.#overdue.set(destination, left);
    else this.#overdue.delete(destination);
  }

  /** What waits for a place in the share that the destination had waits there no more. */
  #setPace(destination: string, pace: 'quick' | 'slow'): void {
    const before = this.#paces.get(destination) ?? 'fresh';
    this.#paces.set(destination, pace);
    const { users, running } = this.#destination(destination);
    if (before === pace || users === running) return;
    const from = this.#shares[before].waiting;
    const all: Ticket[] = [];
    for (let ticket = from.pop(); ticket; ticket = from.pop()) all.push(ticket);
    for (const ticket of all) {
      if (ticket.errand.destination === destination) this.#place(ticket);
      else from.push(ticket);
    }
  }

  #tidy({ account, destination }: Errand): void {
    if (account !== undefined && this.#accounts.get(account)?.users === 0) this.#accounts.delete(account);
    if (destination !== undefined && this.#destinations.get(destination)?.users === 0) this.#destinations.delete(destination);
  }
}

function gate(size: number): Gate {
  return { size, running: 0, waiting: new SmallestFirst(compare), users: 0 };
}

function compare(one: Ticket, other: Ticket): number {
  return one.turn - other.turn || one.destinationTurn - other.destinationTurn || one.seq - other.seq;
}
