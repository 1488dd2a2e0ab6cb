import { setTimeout as pause } from 'node:timers/promises';
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Bus, type RoomCommitted } from '../bus/bus.js';
import { Config } from '../config/config.js';
import { Log } from '../observability/log.js';
import { StreamPositions } from '../storage/stream-positions.js';
import { indexedTextOf, redactedBy, type IndexedText } from './indexed-text.js';
import { SearchIndexStore } from './search-index.store.js';

/** Texts that wait in memory, and their characters; what is beyond is read from the database later. */
const MAX_WAITING = 20_000;
const MAX_CHARACTERS = 8 * 1024 * 1024;
const BATCH = 500;
/** Nobody waits for the index but who searches. */
const GATHER_MS = 250;
const STRETCH_PAUSE_MS = 10;
const FAILURE_PAUSE_MS = 2_000;

interface Waiting {
  readonly pos: number;
  readonly text?: IndexedText | undefined;
  readonly redacted?: string | undefined;
}

/** Keeps the index of texts up to date: by what the bus tells, and by stretches for history and for what came while the server did not run. */
@Injectable()
export class SearchIndexer implements OnApplicationBootstrap, OnModuleDestroy {
  #waiting: Waiting[] = [];
  #characters = 0;
  /** Whether something was missed that the bus told, or was told before the start. */
  #hasMissed = true;
  #hasStretches = true;
  /** Up to which everything is indexed or in a stretch. */
  #donePos = -1;
  readonly #askers = new Set<{ readonly pos: number; readonly done: () => void }>();
  #running: Promise<void> | undefined;
  readonly #stop = new AbortController();
  #gathering = new AbortController();
  #unsubscribe: (() => void) | undefined;

  constructor(
    private readonly store: SearchIndexStore,
    private readonly positions: StreamPositions,
    private readonly bus: Bus,
    private readonly config: Config,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.#unsubscribe = this.bus.subscribe((message) => {
      if (message.kind === 'room') this.#saw(message);
    });
    this.#wake();
  }

  async onModuleDestroy(): Promise<void> {
    this.#unsubscribe?.();
    this.#stop.abort();
    this.#gathering.abort();
    await this.#running;
    this.#tell();
  }

  /** Resolves when what is committed now can be found. What is indexed by stretches may come later. */
  async caughtUp(): Promise<void> {
    const pos = this.positions.current('events');
    if (this.#stop.signal.aborted || (this.#running === undefined && !this.#hasWork()) || this.#donePos >= pos) return;
    await new Promise<void>((done) => {
      this.#askers.add({ pos, done });
      this.#gathering.abort();
    });
  }

  #saw(message: RoomCommitted): void {
    if (message.hasHistory) this.#hasStretches = true;
    for (const { event, pos } of message.events) {
      const [text, redacted] = [indexedTextOf(event.pdu, event.eventId), redactedBy(event.pdu)];
      if (text === undefined && redacted === undefined) continue;
      this.#waiting.push({ pos, text, redacted });
      this.#characters += text?.text.length ?? 0;
    }
    if (this.#waiting.length > MAX_WAITING || this.#characters > MAX_CHARACTERS) {
      this.#waiting = [];
      this.#characters = 0;
      this.#hasMissed = true;
    }
    if (this.#hasWork()) this.#wake();
  }

  #wake(): void {
    this.#running ??= this.#work().finally(() => {
      this.#running = undefined;
      if (this.#hasWork() && !this.#stop.signal.aborted) this.#wake();
    });
  }

  #hasWork(): boolean {
    return this.#waiting.length > 0 || this.#hasMissed || this.#hasStretches || this.#askers.size > 0;
  }

  async #work(): Promise<void> {
    while (this.#hasWork() && !this.#stop.signal.aborted) {
      await this.#rest(this.#hasStretches ? STRETCH_PAUSE_MS : GATHER_MS);
      try {
        if (this.#hasMissed) await this.#queueMissed();
        await this.#putBatch();
        this.#tell();
        if (this.#hasStretches && !this.#stop.signal.aborted) await this.#putStretch();
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.log.error('texts could not be indexed for the search', error);
        this.#hasMissed = true;
        await this.#rest(FAILURE_PAUSE_MS);
      }
    }
  }

  async #queueMissed(): Promise<void> {
    this.#hasMissed = false;
    const pos = this.positions.current('events');
    await this.store.queueMissed(this.config.searchLanguage, pos);
    this.#hasStretches = true;
  }

  async #putBatch(): Promise<void> {
    const current = this.positions.current('events');
    const batch = this.#waiting.slice(0, BATCH);
    const isAll = batch.length === this.#waiting.length;
    this.#waiting = this.#waiting.slice(BATCH);
    for (const { text } of batch) this.#characters -= text?.text.length ?? 0;
    const pos = isAll ? current : batch.at(-1)!.pos;
    if (batch.length > 0) {
      const work = { texts: batch.flatMap(({ text }) => text ?? []), redacted: batch.flatMap(({ redacted }) => redacted ?? []) };
      await this.store.put(this.config.searchLanguage, work, pos);
    }
    if (!this.#hasMissed) this.#donePos = pos;
  }

  async #putStretch(): Promise<void> {
    // Before the question: what is told meanwhile is asked for again.
    this.#hasStretches = false;
    if (await this.store.putStretch(this.config.searchLanguage)) this.#hasStretches = true;
  }

  #tell(): void {
    const isAtRest = this.#stop.signal.aborted;
    for (const asker of this.#askers) {
      if (!isAtRest && asker.pos > this.#donePos) continue;
      this.#askers.delete(asker);
      asker.done();
    }
  }

  /** A pause that ends at once for somebody who waits for the index. */
  async #rest(ms: number): Promise<void> {
    if (this.#askers.size > 0) return;
    this.#gathering = new AbortController();
    if (this.#stop.signal.aborted) return;
    await pause(ms, undefined, { signal: this.#gathering.signal, ref: false }).catch(() => undefined);
  }
}
