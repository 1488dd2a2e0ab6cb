import { Injectable } from '@nestjs/common';
import { canonicalJson, CanonicalJsonError, isServerName, verifySignatureAsync } from '#federation';
import { parseJson } from '#json';
import { MatrixError } from '../../errors/matrix-error.js';
import { KeyRing } from '../keys/key-ring.js';
import { ServerKeys } from '../keys/server-keys.js';
import { Destinations } from '../outgoing/destinations.js';
import { signedRequestText } from '../outgoing/request-signature.js';
import { parseXMatrix } from './parse-x-matrix.js';

export interface InboundRequest {
  readonly method: string;
  /** Path with query as received. */
  readonly uri: string;
  readonly authorization: string | undefined;
  /** Where it comes from, as far as nobody can change it at will (`addressKey`). */
  readonly address: string;
  /** Body text; undefined or empty without one. */
  readonly body: string | undefined;
}

/** Checks who sent a federation request (server-server API, §Request Authentication). */
@Injectable()
export class RequestVerifier {
  constructor(
    private readonly own: ServerKeys,
    private readonly keys: KeyRing,
    private readonly destinations: Destinations,
  ) {}

  /**
   * The name of the server that signed the request.
   *
   * @throws MatrixError 400 M_INVALID_PARAM of no server; 401 M_UNAUTHORIZED without a good signature, or with one that is meant for another server
   */
  async verify(request: InboundRequest): Promise<string> {
    const header = parseXMatrix(request.authorization);
    if (!header) throw unauthorized('A signed request with an X-Matrix Authorization header is needed');
    const { origin, key: keyId, sig } = header;
    if (!isServerName(origin)) throw MatrixError.invalidParam('The origin is no server name');
    if (origin === this.own.serverName) throw unauthorized('The origin is not another server');
    if (header.destination !== undefined && header.destination !== this.own.serverName) {
      throw unauthorized(`The request is for ${header.destination}, this is ${this.own.serverName}`);
    }
    const key = await this.keys.publicKey(origin, keyId, undefined, request.address);
    if (key === undefined) throw unauthorized(`Key ${keyId} of ${origin} could not be found`);
    for (const text of this.#candidates(request, origin)) {
      if (await verifySignatureAsync(key, text, sig)) {
        this.destinations.heardFrom(origin);
        return origin;
      }
    }
    // Its signature cannot be told from a wrong one, and nothing has been done for it.
    if (hasNoCanonicalForm(request.body)) throw MatrixError.badJson('The body has no canonical form');
    throw unauthorized(`The signature of ${origin} is wrong`);
  }

  /**
   * What may have been signed. A body that came as canonical JSON, as servers send it, is used as it is: parsing and
   * serializing a transaction costs more than verifying it. It must be one JSON value, which the handler's parser checks before
   * anything in it counts.
   */
  *#candidates({ method, uri, body }: InboundRequest, origin: string): Iterable<string> {
    const parts = { method, uri, origin, destination: this.own.serverName };
    if (body === undefined || body === '') {
      yield signedRequestText(parts);
      return;
    }
    yield signedRequestText({ ...parts, content: body });
    let canonical: string;
    try {
      canonical = canonicalJson(parseJson(body));
    } catch {
      return; // no canonical form, so nobody has signed it
    }
    if (canonical !== body) yield signedRequestText({ ...parts, content: canonical });
    // Some send `{}` with requests that have no content to sign.
    if (canonical === '{}') yield signedRequestText(parts);
  }
}

function hasNoCanonicalForm(body: string | undefined): boolean {
  if (body === undefined || body === '') return false;
  try {
    canonicalJson(parseJson(body));
    return false;
  } catch (error) {
    return error instanceof CanonicalJsonError;
  }
}

function unauthorized(message: string): MatrixError {
  return new MatrixError(401, 'M_UNAUTHORIZED', message);
}
