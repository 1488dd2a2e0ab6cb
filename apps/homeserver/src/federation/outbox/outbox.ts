import { Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { Random } from '../../observability/random.js';
import { StreamPositions } from '../../storage/stream-positions.js';
import { FederationClient, federationPath } from '../federation-client.js';
import { ServerKeys } from '../keys/server-keys.js';
import { Destinations } from '../outgoing/destinations.js';
import { RemoteError } from '../outgoing/remote-error.js';
import { FairSlots, fairLimits } from '../outgoing/fair-slots.js';
import { DestinationQueue, type QueueSurroundings, type Sent, type Verdict } from './destination-queue.js';
import { MissedStore, type QueuedPdu } from './missed.store.js';
import { OutboxStore } from './outbox.store.js';
import { ReplicaAcknowledgements } from './replica-acknowledgements.js';
import { resultsOf, type SendAnswer } from './send-answer.js';
import type { Passage, TransactionGate } from './transaction-gate.js';
import { transactionText } from './transaction-text.js';

const FLUSH_MS = 1_000;
const STOP_GRACE_MS = 1_000;
const SEND_TIMEOUT_MS = 60_000;
/** An event for 10,000 servers must not block the event loop while it is handed to their queues. */
const WAKE_SLICE = 200;
/** A stored EDU that could not be delivered for so long is dropped. */
const EDU_LIFETIME_MS = 30 * 24 * 3_600_000;

/**
 * The outgoing queues of all destinations, and what of them survives a restart.
 *
 * Nothing is written per event. `settled_pos` says up to where everything has been delivered, except to the few destinations with
 * a cursor of their own; both are written about once a second while there is traffic. After a kill the own events beyond are
 * found in the database and sent again, at most a second's worth too many, which receivers recognise.
 */
@Injectable()
export class Outbox implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly acknowledgements = new ReplicaAcknowledgements();
  /** Set when the server starts, by the folder of homes, which lies above. */
  gate: TransactionGate | null = null;
  readonly #queues = new Map<string, DestinationQueue>();
  readonly #ready = new Set<DestinationQueue>();
  /** Destinations whose EDUs were written in a transaction that nobody has reported as committed. */
  readonly #unreported = new Set<string>();
  /** Destinations that are silent may take a minute each; they must not hold up the others. Each has one piece at most. */
  readonly #slots = {
    sending: new FairSlots(fairLimits(128, { all: { quick: 128, fresh: 32, slow: 16, overdue: 128 }, waiting: Infinity })),
    reading: new FairSlots(fairLimits(2, { waiting: Infinity }), Infinity),
  };
  readonly #stop = new AbortController();
  readonly #surroundings: QueueSurroundings;
  #timer: NodeJS.Timeout | undefined;
  #isResumed = false;
  #isStopping = false;
  #flushing: Promise<void> | null = null;
  #seen = 0;
  /** `#seen` at the flush before: what is between the two may still be on its way over the bus. */
  #seenBefore = 0;
  #settled = 0;
  #cursors = new Map<string, number>();
  #transactions = 0;

  constructor(
    private readonly client: FederationClient,
    private readonly destinations: Destinations,
    private readonly keys: ServerKeys,
    private readonly store: OutboxStore,
    private readonly missedStore: MissedStore,
    private readonly positions: StreamPositions,
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly log: Log,
  ) {
    this.#surroundings = this.#makeSurroundings();
  }

  async onApplicationBootstrap(): Promise<void> {
    this.#seen = this.#seenBefore = this.positions.current('events');
    // Before the first request: what is committed from now on comes over the bus, and nothing comes both ways.
    await this.#resume();
    this.#slots.sending.learnFrom(this.destinations);
    this.destinations.onAlive((destination) => {
      const queue = this.#queues.get(destination);
      if (queue) this.#wake(queue);
    });
    // What was left is sent at the first tick: the server listens by then, so that the others can ask for its keys.
    this.#timer = setInterval(() => void this.tick(), FLUSH_MS).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#timer);
    this.acknowledgements.stop();
    const grace = setTimeout(() => this.#stop.abort(), STOP_GRACE_MS);
    await Promise.all([...this.#queues.values()].map((queue) => queue.stop()));
    clearTimeout(grace);
    await this.#flushing;
    this.#seenBefore = this.#seen;
    // What could not be stored is sent once more after the next start.
    await this.#flush().catch((error: unknown) => this.log.error('the outgoing queues could not be stored', error));
  }

  /** The queue of a destination; this server itself has none. */
  addPdu(destination: string, pdu: QueuedPdu): void {
    const queue = this.#queue(destination);
    queue?.add(pdu);
    if (queue) this.#wake(queue);
  }

  /** For a destination that was not in the room when the event was made. */
  addEarlierPdu(destination: string, pdu: QueuedPdu): void {
    const queue = this.#queue(destination);
    queue?.addEarlier(pdu);
    if (queue) this.#wake(queue);
  }

  addVolatileEdu(destination: string, json: string): void {
    const queue = this.#queue(destination);
    queue?.addVolatile(json);
    if (queue) this.#wake(queue);
  }

  /** Stored EDUs were committed. */
  storedEdusAdded(destinations: readonly string[]): void {
    for (const destination of destinations) {
      this.#unreported.delete(destination);
      const queue = this.#queue(destination);
      queue?.addStored();
      if (queue) this.#wake(queue);
    }
  }

  /** Stored EDUs were written in a transaction that is still open. */
  storedEdusWritten(destinations: readonly string[]): void {
    for (const destination of destinations) this.#unreported.add(destination);
  }

  /** A commit with events up to `pos` was published. */
  committed(pos: number): void {
    if (pos > this.#seen) this.#seen = pos;
  }

  /** Once a second: store the positions, drop idle queues, wake those that nobody has woken. */
  async tick(): Promise<void> {
    this.#flushing ??= this.#tick().finally(() => {
      this.#flushing = null;
    });
    await this.#flushing;
  }

  async #tick(): Promise<void> {
    try {
      this.storedEdusAdded([...this.#unreported]);
      await this.#flush();
      for (const [destination, queue] of this.#queues) {
        if (queue.isIdle) this.#queues.delete(destination);
        else if (!queue.isWaiting) this.#wake(queue);
      }
    } catch (error) {
      this.log.error('the outgoing queues could not be stored', error);
    }
  }

  async #resume(): Promise<void> {
    await this.store.deleteEdusBefore(this.clock.now() - EDU_LIFETIME_MS);
    const head = this.positions.current('events');
    this.#settled = await this.store.settled();
    this.#cursors = await this.store.cursors();
    const behind = new Map<string, number>();
    for (const destination of await this.missedStore.destinations(this.#settled)) behind.set(destination, this.#settled);
    for (const [destination, cursor] of this.#cursors) behind.set(destination, cursor);
    for (const [destination, cursor] of behind) this.#queue(destination)?.addMissed(cursor, head);
    for (const destination of await this.store.eduDestinations()) this.#queue(destination)?.addStored();
    this.#isResumed = true;
  }

  async #flush(): Promise<void> {
    // A start that failed half-way must not overwrite the positions of the process before.
    if (!this.#isResumed) return;
    const settled = Math.max(this.#settled, this.#seenBefore);
    this.#seenBefore = this.#seen;
    const behind = new Map<string, number>();
    for (const [destination, queue] of this.#queues) {
      const floor = queue.floor;
      if (floor !== null && floor < settled) behind.set(destination, floor);
    }
    const changed = new Map([...behind].filter(([destination, floor]) => this.#cursors.get(destination) !== floor));
    const caughtUp = [...this.#cursors.keys()].filter((destination) => !behind.has(destination));
    if (settled === this.#settled && changed.size === 0 && caughtUp.length === 0) return;
    await this.store.save(settled, changed, caughtUp);
    this.#settled = settled;
    this.#cursors = behind;
  }

  #queue(destination: string): DestinationQueue | undefined {
    if (destination === this.keys.serverName) return undefined;
    let queue = this.#queues.get(destination);
    if (!queue) {
      queue = new DestinationQueue(destination, this.#surroundings);
      this.#queues.set(destination, queue);
    }
    return queue;
  }

  #wake(queue: DestinationQueue): void {
    if (this.#ready.size === 0) setImmediate(() => this.#wakeReady());
    this.#ready.add(queue);
  }

  #wakeReady(): void {
    let slice = 0;
    for (const queue of this.#ready) {
      if (slice++ === WAKE_SLICE) break;
      this.#ready.delete(queue);
      if (!this.#isStopping) queue.wake();
    }
    if (this.#ready.size > 0) setImmediate(() => this.#wakeReady());
  }

  #makeSurroundings(): QueueSurroundings {
    const { destinations, store, missedStore, positions, clock, log } = this;
    const prefix = `${clock.now()}.${this.random.token(4)}`;
    return {
      now: () => clock.steady(),
      retryAt: (destination) => destinations.retryAt(destination),
      failures: (destination) => destinations.failures(destination),
      newTxnId: () => `${prefix}.${++this.#transactions}`,
      head: () => positions.current('events'),
      missed: (destination, cursor, upTo) => this.#slots.reading.run({}, () => this.#unlessStopping(() => missedStore.read(destination, cursor, upTo))),
      edus: (destination, limit, except) => store.edus(destination, limit, except),
      deleteEdus: (ids) => store.deleteEdus(ids),
      verdict,
      send: (destination, pdus, edus, txnId) => {
        return this.#slots.sending.run({ destination }, () => this.#unlessStopping(() => this.#send(destination, pdus, edus, txnId)));
      },
      acknowledged: (destination, pdus, results) => {
        for (const { eventId } of pdus) {
          if (!Object.hasOwn(results, eventId)) continue;
          const { taken, twin, error, rejected, softFailed, later } = results[eventId] ?? {};
          const reason = rejected ?? softFailed ?? error;
          if (taken || twin !== undefined) this.acknowledgements.acknowledge(eventId, destination, twin);
          else if (reason !== undefined && !later) this.acknowledgements.refuse(eventId, destination, reason);
          if (!taken) log.debug('event was not taken', { destination, eventId, twin, error: reason });
        }
      },
      failed: (destination, error) => log.debug('transaction failed', { destination, error: String(error) }),
    };
  }

  /** What still waited for its turn when the server began to stop is not begun: there may be thousands. */
  async #unlessStopping<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isStopping) throw new Error('the server stops');
    return work();
  }

  async #send(destination: string, all: readonly string[], allEdus: readonly string[], txnId: string): Promise<Sent> {
    const passage: Passage = this.gate ? await this.gate.pass(destination, all, allEdus) : { pdus: all, edus: allEdus, held: new Set() };
    const { pdus, edus, members, held } = passage;
    if (pdus.length + edus.length === 0) return { results: {}, held };
    const answer = await this.client.request<SendAnswer>({
      destination,
      method: 'PUT',
      path: federationPath`/_matrix/federation/v1/send/${txnId}`,
      body: transactionText(this.keys.serverName, this.clock.now(), pdus, edus, members),
      timeoutMs: SEND_TIMEOUT_MS,
      signal: this.#stop.signal,
    });
    return { results: resultsOf(answer), held };
  }
}

/** Which refusals are about the body rather than about the two servers. */
function verdict(error: unknown): Verdict {
  if (!(error instanceof RemoteError)) return { kind: 'later' };
  const isAboutBody = error.remoteStatus === 413 || (error.remoteStatus === 400 && ['M_BAD_JSON', 'M_NOT_JSON', 'M_TOO_LARGE'].includes(error.remoteErrcode));
  if (isAboutBody) return { kind: 'smaller' };
  return { kind: 'later', ...(error.retryAfterMs !== undefined && { afterMs: error.retryAfterMs }) };
}
