import { Injectable } from '@nestjs/common';
import { canonicalJson } from '#federation';
import { JsonMeter, parseJson, parseJsonInSlices } from '#json';
import { Log } from '../observability/log.js';
import { Clock } from '../observability/clock.js';
import { ServerKeys } from './keys/server-keys.js';
import { Destinations } from './outgoing/destinations.js';
import type { WireRequest, WireResponse } from './outgoing/https-transport.js';
import { LargeAnswers } from './outgoing/large-answers.js';
import { RemoteError, UnreachableError } from './outgoing/remote-error.js';
import { authorizationHeader } from './outgoing/request-signature.js';
import { ServerRequests } from './outgoing/server-requests.js';

export type QueryValue = string | number | boolean | readonly string[] | undefined;

export interface FederationRequest {
  /** Server name. */
  readonly destination: string;
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Path with its parameters percent-encoded already (`federationPath` does it). */
  readonly path: string;
  /** Lists become repeated parameters; undefined ones are left out. */
  readonly query?: Readonly<Record<string, QueryValue>>;
  /** JSON body; canonical JSON text is taken as it is. */
  readonly body?: object | string;
  /** For the whole request; 30 s unless told. */
  readonly timeoutMs?: number;
  /** Longest answer; 16 MiB unless told. Answers to joins of large rooms are longer. */
  readonly maxBytes?: number;
  /** Tries even a server that is being left alone: for what a person waits for. */
  readonly ignoreBackoff?: boolean;
  readonly signal?: AbortSignal;
  /** For `fetch` only: see WireRequest. It throws what is the destination's fault, and nothing else. */
  readonly receive?: WireRequest['receive'];
  readonly answerMs?: number;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_MAX_BYTES = 16 * 1024 * 1024;
/** Answers of more bytes are read in slices. */
const LARGE_BYTES = 256 * 1024;
/** Answers of a proxy whose server is gone. */
const DOWN = new Set([502, 503, 504]);
/** With these codes they are the server's own (server-server API, `GET /media/download`). */
const OF_MEDIA = /"errcode"\s*:\s*"M_(?:NOT_YET_UPLOADED|TOO_LARGE)"/;

/** A path with its parameters percent-encoded: federationPath`/_matrix/federation/v1/event/${eventId}`. */
export function federationPath(parts: TemplateStringsArray, ...parameters: readonly string[]): string {
  return String.raw({ raw: parts }, ...parameters.map(encodeURIComponent));
}

type AnswerListener = (destination: string, body: Readonly<Record<string, unknown>>) => void;

/** Signed requests to other servers. */
@Injectable()
export class FederationClient {
  readonly #listeners = new Set<AnswerListener>();
  readonly #large = new LargeAnswers();

  constructor(
    private readonly keys: ServerKeys,
    private readonly requests: ServerRequests,
    private readonly destinations: Destinations,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /**
   * The parsed JSON of a 200 answer.
   *
   * @throws RemoteError for any other answer; UnreachableError without one, and while the destination is left alone
   */
  async request<T = Record<string, unknown>>(request: FederationRequest): Promise<T> {
    const turn = this.#large.turn();
    let response: WireResponse;
    let body: unknown;
    try {
      response = await this.fetch(request, () => turn.take());
      body = await parse(response.body);
    } finally {
      turn.end();
    }
    if (isObject(body)) for (const listener of this.#listeners) listener(request.destination, body);
    if (response.status === 200) {
      if (body === undefined) throw new RemoteError(request.destination, 200, 'M_NOT_JSON', undefined);
      return body as T;
    }
    const fields = isObject(body) ? body : undefined;
    const errcode = typeof fields?.['errcode'] === 'string' ? fields['errcode'] : 'M_UNKNOWN';
    throw new RemoteError(request.destination, response.status, errcode, fields);
  }

  /** Called with each JSON object that a server answers, for what it tells beside the answer. */
  onAnswer(listener: AnswerListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** As `request`, with the answer as it came, whatever its status. */
  async fetch(request: FederationRequest, onLarge?: () => Promise<void>): Promise<WireResponse> {
    const { destination, method } = request;
    if (destination === this.keys.serverName) throw new UnreachableError(destination, 'it is this server');
    if (!request.ignoreBackoff && this.destinations.retryAt(destination) > this.clock.steady()) {
      throw new UnreachableError(destination, 'it did not answer lately');
    }
    const uri = request.path + queryText(request.query);
    const content = request.body === undefined || typeof request.body === 'string' ? request.body : canonicalJson(request.body);
    const parts = { method, uri, origin: this.keys.serverName, destination, content };
    let response: WireResponse;
    const started = this.clock.steady();
    try {
      response = await this.requests.send(destination, {
        method,
        path: uri,
        headers: {
          authorization: authorizationHeader(parts, this.keys.signing),
          ...(content !== undefined && { 'content-type': 'application/json' }),
        },
        ...(content !== undefined && { body: content }),
        timeoutMs: request.timeoutMs ?? DEFAULT_TIMEOUT_MS,
        maxBytes: request.maxBytes ?? DEFAULT_MAX_BYTES,
        ...(request.signal && { signal: request.signal }),
        ...(onLarge && { onLarge }),
        ...(request.receive && { receive: request.receive }),
        ...(request.answerMs !== undefined && { answerMs: request.answerMs }),
      });
    } catch (error) {
      // The caller giving up says nothing about the destination.
      if (!request.signal?.aborted) this.destinations.failed(destination);
      this.log.debug('federation request failed', { destination, method, path: request.path, error: String(error) });
      throw new UnreachableError(destination, error instanceof Error ? error.message : String(error), error);
    }
    if (DOWN.has(response.status) && !OF_MEDIA.test(response.body.toString('utf8', 0, 1_000))) this.destinations.failed(destination);
    else this.destinations.reached(destination, this.clock.steady() - started);
    return response;
  }
}

function queryText(query: Readonly<Record<string, QueryValue>> = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) parameters.append(name, String(one));
  }
  const text = parameters.toString();
  return text === '' ? '' : `?${text}`;
}

/** A large one is read in slices. Undefined for what is no JSON, or holds more than its size should. */
async function parse(body: Buffer): Promise<unknown> {
  try {
    if (body.length <= LARGE_BYTES) return parseJson(body.toString('utf8'));
const maxValues = 2 * JsonMeter.limit(body.length);
    return await parseJsonInSlices(body.toString('utf8'), { maxValues, pause: () => new Promise((resolve) => void setImmediate(resolve)) });
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
