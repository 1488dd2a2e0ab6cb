import type { Clock } from '../clock.js';
import { AliveProbe } from '../health/alive-probe.js';
import type { HomeHealth } from '../health/home-health.js';
import { Answer } from './answer.js';
import { failedBeforeSending, HomeSilent } from './home-failure.js';
import { readBody } from './read-body.js';

/** A request to one home. */
export interface HomeRequest {
  method: string;
  /** From `/_matrix` on, with the query. */
  path: string;
  headers?: Headers;
  body?: BodyInit | null;
  /** The app's signal. */
  signal?: AbortSignal;
  /** Longest silence, in milliseconds: until the headers, and between two parts of the body. */
  timeoutMs: number;
  /** Hand the body on as a stream instead of reading it. */
  stream?: boolean;
  /** Whether 5xx speaks against this home; not where it may stem from a third server. */
  countErrors?: boolean;
  /** Whether it may be given up at any time to go to another home: a long poll. */
  movable?: boolean;
}

export interface HomeTransportParts {
  fetch: typeof globalThis.fetch;
  clock: Clock;
  health: HomeHealth;
  homes(): readonly string[];
  baseUrl(serverName: string, signal: AbortSignal): Promise<string>;
}

const evicted = Symbol('given up to go to another home');

/**
 * Sends requests to homes, without credentials: times them, watches the home while they are open, tells the health what
 * happened, and gives up those that hang at a home as soon as that is known to be down.
 */
export class HomeTransport {
  readonly probe: AliveProbe;
  private readonly open = new Map<AbortController, { serverName: string; movable: boolean }>();

  constructor(private readonly parts: HomeTransportParts) {
    this.probe = new AliveProbe({
      clock: parts.clock,
      health: parts.health,
      homes: () => parts.homes(),
      ask: (serverName, signal) => this.askVersions(serverName, signal),
    });
  }

  /**
   * @returns whatever the home answered, 5xx included
   * @throws HomeSilent, or the app's own abort reason
   */
  async send(serverName: string, request: HomeRequest): Promise<Answer> {
    const { clock, health } = this.parts;
    const started = clock.now();
    const controller = new AbortController();
    const silence = new SilenceTimer(clock, request.timeoutMs, () => controller.abort(new Error(`${request.timeoutMs} ms of silence`)));
    const unwatch = this.probe.watch(serverName);
    this.open.set(controller, { serverName, movable: request.movable === true });
    const progress = { sent: false };
    try {
      const answer = await this.exchange(serverName, request, controller, silence, progress);
      if (answer.status >= 500 && answer.status !== 501 && request.countErrors !== false) health.failed(serverName);
      else health.answered(serverName, clock.now() - started);
      return answer;
    } catch (error) {
      request.signal?.throwIfAborted();
      const neverSent = !progress.sent || failedBeforeSending(error);
      if (controller.signal.reason === evicted) throw new HomeSilent(serverName, neverSent, error);
      // A time-out while probes are answered means that the request hangs, not that the home is gone.
      if (controller.signal.aborted) health.failed(serverName);
      else health.silent(serverName);
      throw new HomeSilent(serverName, neverSent, error);
    } finally {
      silence.stop();
      unwatch();
      this.open.delete(controller);
    }
  }

  /** Gives up all requests that are open at a home; each is then repeated elsewhere where that is safe. */
  evict(serverName: string): void {
    for (const [controller, open] of [...this.open]) if (open.serverName === serverName) controller.abort(evicted);
  }

  /** Gives up the long polls at all homes but one, because the person wants to move there. */
  move(toServerName: string): void {
    for (const [controller, open] of [...this.open]) {
      if (open.movable && open.serverName !== toServerName) controller.abort(evicted);
    }
  }

  /** Ends everything that is open. */
  close(): void {
    this.probe.close();
    for (const controller of [...this.open.keys()]) controller.abort(evicted);
  }

  private async exchange(
    serverName: string,
    request: HomeRequest,
    controller: AbortController,
    silence: SilenceTimer,
    progress: { sent: boolean },
  ): Promise<Answer> {
    const signal = request.signal ? AbortSignal.any([request.signal, controller.signal]) : controller.signal;
    signal.throwIfAborted();
    const baseUrl = await this.parts.baseUrl(serverName, signal);
    const { method, headers, body } = request;
    progress.sent = true;
    const response = await this.parts.fetch(baseUrl + request.path, {
      method, headers, body, signal, redirect: 'follow', credentials: 'omit', cache: 'no-store', referrerPolicy: 'no-referrer',
      // Node's fetch demands it for bodies that are streams.
      ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
    } as RequestInit);
    silence.restart();
    if (request.stream) return new Answer(response.status, response.headers, response.body);
    return new Answer(response.status, response.headers, await readBody(response, () => silence.restart()));
  }

  private async askVersions(serverName: string, signal: AbortSignal): Promise<void> {
    const baseUrl = await this.parts.baseUrl(serverName, signal);
    const response = await this.parts.fetch(`${baseUrl}/_matrix/client/versions`, { signal, cache: 'no-store', credentials: 'omit' });
    await response.body?.cancel();
    if (response.status >= 500) throw new Error(`${response.status}`);
  }
}

class SilenceTimer {
  private cancel: () => void;

  constructor(private readonly clock: Clock, private readonly ms: number, private readonly elapsed: () => void) {
    this.cancel = clock.timer(ms, elapsed);
  }

  restart(): void {
    this.cancel();
    this.cancel = this.clock.timer(this.ms, this.elapsed);
  }

  stop(): void {
    this.cancel();
  }
}
