import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { parseJson } from '#json';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { FederationClient, federationPath } from '../../federation/federation-client.js';
import { HttpsTransport, type WireRequest, type WireResponse } from '../../federation/outgoing/https-transport.js';
import { RemoteError, UnreachableError } from '../../federation/outgoing/remote-error.js';
import { ServerRequests } from '../../federation/outgoing/server-requests.js';
import { targetOf } from '../../federation/outgoing/web-target.js';
import { Stopping } from '../../observability/stopping.js';
import type { MediaAddress } from '../media-address.js';
import { IncomingFiles } from '../storage/incoming-files.js';
import { boundaryOf, readMediaParts } from './media-parts.js';
import { receiveFile, type ReceivedFile } from './received-file.js';

/** For a whole file; a tenth of a megabyte a second is slow. */
const WHOLE_MS = 600_000;
/** Beyond the time that is waited for an upload. */
const ANSWER_MS = 15_000;
const MAX_REDIRECTS = 3;
const MAX_ERROR_BYTES = 64 * 1024;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

type Headers = WireResponse['headers'];

/** Fetches media from the server that their address names. */
@Injectable()
export class OriginMedia {
  constructor(
    private readonly config: Config,
    private readonly client: FederationClient,
    private readonly requests: ServerRequests,
    private readonly transport: HttpsTransport,
    private readonly incoming: IncomingFiles,
    private readonly stopping: Stopping,
  ) {}

  /**
   * @param timeoutMs how long the origin may wait for an upload that was announced
   * @throws RemoteError, UnreachableError; MatrixError 502 M_TOO_LARGE
   */
  async download({ serverName, mediaId }: MediaAddress, timeoutMs: number): Promise<ReceivedFile> {
    const path = federationPath`/_matrix/federation/v1/media/download/${mediaId}`;
    const found = await this.signed(serverName, path, { timeout_ms: timeoutMs });
    if (found) return found;
    // COMPAT(servers before Matrix 1.11)
    const query = new URLSearchParams({ allow_remote: 'false', allow_redirect: 'true', timeout_ms: String(timeoutMs) }).toString();
    const old = `${federationPath`/_matrix/media/v3/download/${serverName}/${mediaId}`}?${query}`;
    return this.#followed(serverName, (wire) => this.requests.send(serverName, { ...wire, path: old }), timeoutMs);
  }

  /**
   * A file by a signed request whose answer is in two parts.
   *
   * @param sha256 of the file, where it is known
   * @returns undefined from a server that does not know the path
   */
  async signed(destination: string, path: string, query: Readonly<Record<string, string | number>>, sha256?: string): Promise<ReceivedFile | undefined> {
    const answer = new Receiver();
    const response = await this.client.fetch({
      destination, method: 'GET', path, query, maxBytes: MAX_ERROR_BYTES, timeoutMs: WHOLE_MS, signal: this.stopping.signal, answerMs: Number(query['timeout_ms'] ?? 0) + ANSWER_MS,
      receive: (headers, body) => answer.take(() => this.#parts(destination, headers, body)),
    });
    if (response.status === 200) {
      const received = answer.result();
      if (sha256 === undefined || received.file.sha256 === sha256) return received;
      await received.file.discard();
      throw new UnreachableError(destination, 'it gives another file than the one asked for');
    }
    const error = errorOf(destination, response);
    if (error.remoteErrcode === 'M_UNRECOGNIZED' || response.status === 405) return undefined;
    throw error;
  }

  async #parts(destination: string, headers: Headers, body: Readable): Promise<ReceivedFile> {
    const boundary = boundaryOf(one(headers['content-type']));
    if (boundary === undefined) throw new Error('the answer is not multipart/mixed');
    let received: ReceivedFile | undefined;
    let location: string | undefined;
    await readMediaParts(body, boundary, async (part) => {
      if (part.location === null) received = await receiveFile(this.incoming, this.config.maxUploadBytes, part);
      else {
        location = part.location;
      }
    });
    if (location === undefined) return received!;
    const url = new URL(location);
    return this.#followed(destination, (wire) => this.transport.request(targetOf(url), { ...wire, path: url.pathname + url.search }), 0);
  }

  /** Without a signature, over redirects: each address is checked when it is called. */
  async #followed(destination: string, first: (wire: WireRequest) => Promise<WireResponse>, timeoutMs: number): Promise<ReceivedFile> {
    let send = first;
    for (let redirects = 0; ; redirects++) {
      const answer = new Receiver();
      const response = await send({
        method: 'GET', path: '/', maxBytes: MAX_ERROR_BYTES, timeoutMs: WHOLE_MS, signal: this.stopping.signal, answerMs: timeoutMs + ANSWER_MS,
        receive: (headers, body) => answer.take(() => receiveFile(this.incoming, this.config.maxUploadBytes, {
          contentType: one(headers['content-type']) ?? null, disposition: one(headers['content-disposition']) ?? null, body,
        })),
      }).catch((error: unknown) => {
        throw new UnreachableError(destination, error instanceof Error ? error.message : String(error), error);
      });
      if (response.status === 200) return answer.result();
      const location = one(response.headers['location']);
      if (!REDIRECTS.has(response.status) || location === undefined || redirects === MAX_REDIRECTS) throw errorOf(destination, response);
      const url = URL.parse(location);
      if (!url) throw errorOf(destination, response);
      send = (wire) => this.transport.request(targetOf(url), { ...wire, path: url.pathname + url.search });
    }
  }
}

/** Keeps apart what went wrong with the sender, which is thrown to the transport, and what is to be told to whoever asks. */
class Receiver {
  #received: ReceivedFile | undefined;
  #refusal: MatrixError | undefined;

  async take(receive: () => Promise<ReceivedFile>): Promise<void> {
    try {
      this.#received = await receive();
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error;
      this.#refusal = error;
    }
  }

  result(): ReceivedFile {
    if (this.#refusal) throw this.#refusal;
    return this.#received!;
  }
}

function errorOf(destination: string, { status, body }: WireResponse): RemoteError {
  let fields: Record<string, unknown> | undefined;
  try {
    const parsed = parseJson(body.toString('utf8'));
    if (typeof parsed === 'object' && parsed !== null) fields = parsed as Record<string, unknown>;
  } catch {
    // A proxy's page.
  }
  const errcode = typeof fields?.['errcode'] === 'string' ? fields['errcode'] : 'M_UNKNOWN';
  return new RemoteError(destination, status, status === 404 && !fields ? 'M_UNRECOGNIZED' : errcode, fields);
}

function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
