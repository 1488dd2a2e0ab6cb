import { MatrixError } from '../../errors/matrix-error.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { Ordered } from './ordered.js';
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

/** How many pieces run at once, by what is known of the server that has to answer. */
export interface FairShares {
  /** It answers. */
  readonly quick: number;
  /** Nothing is known of it. */
  readonly fresh: number;
  /** It did not answer in time. Those that turn out to be slow while they are asked come on top. */
  readonly slow: number;
  /** Slow ones at once beyond which no unknown server is asked. */
  readonly overdue: number;
}

export interface FairLimits {
  readonly all: FairShares;
  readonly account: FairShares;
  readonly perDestination: number;
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
  readonly waiting: Ordered<Ticket>;
  /** Closed, too, while so many run there. */
  readonly behind?: { readonly gate: Gate; readonly max: number };
}

type Pace = 'quick' | 'fresh' | 'slow';
type Gates = Readonly<Record<Pace, Gate>>;

interface Account {
  readonly gates: Gates;
  queued: number;
  running: number;
  bytes: number;
}

interface Destination {
  readonly gate: Gate;
  /** Wherever they wait. */
  readonly waiting: Set<Ticket>;
  /** Pieces that are late. */
  late: number;
}

/** A place in the order. */
export interface Ticket {
  readonly errand: Errand;
  readonly begin: (ticket: Ticket) => void;
  readonly turn: number;
  readonly destinationTurn: number;
  readonly seq: number;
  state: 'waits' | 'runs' | 'overdue' | 'late' | 'over';
  /** While it waits: where. */
  at: Gate | undefined;
  /** While it runs: the gates that it has come through. */
  held: readonly Gate[];
}

/**
 * Who is next, among accounts and destinations: pure bookkeeping without time, for `FairSlots`.
 *
 * A destination is fresh, quick once it has answered, or slow while and after it is late; each kind has a share of its own,
 * so that servers that are silent wait for each other and for nobody else. What becomes overdue leaves the share that it was begun
 * in. The same holds within what one account may run. Accounts take turns, and of pieces in the same round the destinations.
 */
export class FairOrder {
  readonly #accounts = new Map<string, Account>();
  readonly #destinations = new Map<string, Destination>();
  readonly #shares: Gates;
  /** Kept beyond the work, so that a server's silence is paid for once. */
  readonly #paces = boundedCache<string, 'quick' | 'slow'>(10_000);
  readonly #accountTurns = new Turns();
  readonly #destinationTurns = new Turns();
  #seq = 0;
  #queued = 0;
  #bytes = 0;

  constructor(private readonly limits: FairLimits) {
    this.#shares = gatesOf(limits.all);
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
    const { account, destination = '', bytes = 0 } = errand;
    this.#checkRoom(account === undefined ? undefined : this.#accounts.get(account), bytes);
    const ticket: Ticket = {
      errand, begin, seq: ++this.#seq, state: 'waits', at: undefined, held: [],
      // What nobody asked for takes turns by destination.
      turn: this.#accountTurns.next(account ?? ` ${destination}`),
      destinationTurn: this.#destinationTurns.next(destination),
    };
    this.#queue(ticket);
    this.#bytes += bytes;
    if (account !== undefined) this.#account(account).bytes += bytes;
    this.#place(ticket);
    return ticket;
  }

  /** It takes longer than an answer should: from here on it is counted with the slow ones. */
  setOverdue(ticket: Ticket): void {
    if (ticket.state !== 'runs') return;
    ticket.state = 'overdue';
    const before = ticket.held;
    ticket.held = this.#gatesOf(ticket.errand, 'slow');
    for (const one of before) one.running--;
    for (const one of ticket.held) one.running++;
    this.#admit(before);
  }

  /** It takes so long that its destination is a slow one. A stumble, of which this server itself may be the cause, does not make it one. */
  setLate(ticket: Ticket): void {
    if (ticket.state !== 'overdue') return;
    ticket.state = 'late';
    const { destination } = ticket.errand;
    if (destination === undefined) return;
    this.#destination(destination).late++;
    this.#setPace(destination, 'slow');
  }

  /** A destination has answered something in time, elsewhere: it is no slow one, unless something of it is late here. */
  setQuick(destination: string): void {
    if (this.#paces.get(destination) === 'slow' && (this.#destinations.get(destination)?.late ?? 0) === 0) this.#setPace(destination, 'quick');
  }

  /**
   * It is over.
   *
   * @param isAnswered whether the destination has answered; a failure that comes at once says nothing about its pace
   */
  leave(ticket: Ticket, isAnswered: boolean): void {
    const { state, held, errand: { account, destination, bytes = 0 } } = ticket;
    ticket.state = 'over';
    this.#bytes -= bytes;
    for (const one of held) one.running--;
    const open = [...held, this.#shares.fresh];
    if (account !== undefined) {
      const payer = this.#account(account);
      payer.bytes -= bytes;
      payer.running--;
      open.push(payer.gates.fresh);
    }
    if (destination !== undefined) {
      const asked = this.#destination(destination);
      if (state === 'late') asked.late--;
      else if (isAnswered && asked.late === 0) this.#setPace(destination, 'quick');
      else if (!isAnswered && state === 'overdue') this.#setPace(destination, 'slow');
    }
    this.#admit(open);
    this.#tidy(ticket.errand);
  }

  #checkRoom(payer: Account | undefined, bytes: number): void {
    const { limits } = this;
    // What is too large by itself may come alone.
    const isOver = (held: number, max: number): boolean => held > 0 && held + bytes > max;
    const isFull = this.#queued >= limits.waiting || isOver(this.#bytes, limits.bytes)
      || (payer && (payer.queued >= limits.waitingPerAccount || isOver(payer.bytes, limits.bytesPerAccount)));
    if (isFull) throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too much is waiting to be done', { retry_after_ms: 5_000 });
  }

  #place(ticket: Ticket): void {
    const gates = this.#gatesOf(ticket.errand, this.#paceOf(ticket.errand));
    ticket.at?.waiting.delete(ticket);
    ticket.at = gates.find(isClosed);
    if (ticket.at) ticket.at.waiting.add(ticket);
    else this.#begin(ticket, gates);
  }

  #begin(ticket: Ticket, gates: readonly Gate[]): void {
    this.#unqueue(ticket);
    ticket.state = 'runs';
    ticket.held = gates;
    for (const one of gates) one.running++;
    this.#accountTurns.served(ticket.turn);
    this.#destinationTurns.served(ticket.destinationTurn);
    ticket.begin(ticket);
  }

  /** Goes on with what waits at these gates, in order. What is stopped by another gate waits at that one. */
  #admit(gates: readonly Gate[]): void {
    for (;;) {
      let best: Gate | undefined;
      for (const one of gates) {
        const head = isClosed(one) ? undefined : one.waiting.first;
        if (head && (!best || compare(head, best.waiting.first!) < 0)) best = one;
      }
      if (!best) return;
      this.#place(best.waiting.first!);
    }
  }

  #paceOf({ destination }: Errand): Pace {
    return destination === undefined ? 'quick' : this.#paces.get(destination) ?? 'fresh';
  }

  #gatesOf({ account, destination }: Errand, pace: Pace): Gate[] {
    return [
      ...(destination === undefined ? [] : [this.#destination(destination).gate]),
      ...(account === undefined ? [] : [this.#account(account).gates[pace]]),
      this.#shares[pace],
    ];
  }

  #account(name: string): Account {
    let found = this.#accounts.get(name);
    if (!found) this.#accounts.set(name, (found = { gates: gatesOf(this.limits.account), queued: 0, running: 0, bytes: 0 }));
    return found;
  }

  #destination(name: string): Destination {
    let found = this.#destinations.get(name);
    if (!found) this.#destinations.set(name, (found = { gate: gate(this.limits.perDestination), waiting: new Set(), late: 0 }));
    return found;
  }

  #queue(ticket: Ticket): void {
    const { account, destination } = ticket.errand;
    this.#queued++;
    if (account !== undefined) this.#account(account).queued++;
    if (destination !== undefined) this.#destination(destination).waiting.add(ticket);
  }

  #unqueue(ticket: Ticket): void {
    const { account, destination } = ticket.errand;
    if (account !== undefined) {
      const payer = this.#account(account);
      payer.queued--;
      payer.running++;
    }
    if (destination !== undefined) this.#destination(destination).waiting.delete(ticket);
    if (--this.#queued > 0) return;
    this.#accountTurns.forget();
    this.#destinationTurns.forget();
  }

  /** What waits for the destination, at gates of its former pace, looks for its place anew. */
  #setPace(destination: string, pace: 'quick' | 'slow'): void {
    if (this.#paces.get(destination) === pace) return;
    this.#paces.set(destination, pace);
    const { gate: own, waiting } = this.#destination(destination);
    for (const ticket of [...waiting].filter((one) => one.at !== own).sort(compare)) this.#place(ticket);
  }

  #tidy({ account, destination }: Errand): void {
    const payer = account === undefined ? undefined : this.#accounts.get(account);
    if (payer && payer.queued + payer.running === 0) this.#accounts.delete(account!);
    const asked = destination === undefined ? undefined : this.#destinations.get(destination);
    if (asked && asked.waiting.size + asked.gate.running === 0) this.#destinations.delete(destination!);
  }
}

function gatesOf({ quick, fresh, slow, overdue }: FairShares): Gates {
  const slowGate = gate(slow);
  return { quick: gate(quick), fresh: { ...gate(fresh), behind: { gate: slowGate, max: overdue } }, slow: slowGate };
}

function gate(size: number): Gate {
  return { size, running: 0, waiting: new Ordered(compare) };
}

function isClosed({ size, running, behind }: Gate): boolean {
  return running >= size || (behind !== undefined && behind.gate.running >= behind.max);
}

function compare(one: Ticket, other: Ticket): number {
  return one.turn - other.turn || one.destinationTurn - other.destinationTurn || one.seq - other.seq;
}
