import { Injectable } from '@nestjs/common';
import { canonicalJson, CanonicalJsonError, canonicalJsonInSlices, isServerName, verifySignatureAsync } from '#federation';
import { parseJson, parseJsonInSlices, TooManyValuesError } from '#json';
import { MatrixError } from '../../errors/matrix-error.js';
import { Clock } from '../../observability/clock.js';
import { TokenBuckets } from '../../observability/token-buckets.js';
import { KeyRing } from '../keys/key-ring.js';
import { ServerKeys } from '../keys/server-keys.js';
import { FairSlots, fairLimits } from '../outgoing/fair-slots.js';
import { Destinations } from '../outgoing/destinations.js';
import { signedRequestText } from '../outgoing/request-signature.js';
import { parseXMatrix, type XMatrix } from './parse-x-matrix.js';

/** Characters of a body that is parsed in slices. */
const LARGE = 256 * 1024;
/** Values of a large body. */
const MAX_VALUES = 1_000_000;
/** Bytes of large bodies from one address whose signature is not that of what was sent. */
const UNSIGNED_BYTES = { perSecond: 512 * 1024, burst: 32 * 1024 * 1024 };

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
  /** Large bodies that are parsed to find out whether their canonical form was signed: one at a time for each address. */
  readonly #slots = new FairSlots(fairLimits(4), Infinity);
  readonly #unsigned: TokenBuckets;

  constructor(
    private readonly own: ServerKeys,
    private readonly keys: KeyRing,
    private readonly destinations: Destinations,
    clock: Clock,
  ) {
    this.#unsigned = new TokenBuckets(clock, 20_000);
  }

  /**
   * The name of the server that signed the request.
   *
   * @throws MatrixError 400 M_INVALID_PARAM of no server; 401 M_UNAUTHORIZED without a good signature, or with one that is meant for another server
   */
  async verify(request: InboundRequest): Promise<string> {
    const { origin, key: keyId, sig } = this.headerOf(request.authorization);
    const key = await this.keys.publicKey(origin, keyId, undefined, request.address);
    if (key === undefined) throw unauthorized(`Key ${keyId} of ${origin} could not be found`);
    const parts = { method: request.method, uri: request.uri, origin, destination: this.own.serverName };
    const isSigned = (content?: string) => verifySignatureAsync(key, signedRequestText(content === undefined ? parts : { ...parts, content }), sig);
    if (!(await this.#isSigned(request, isSigned))) throw unauthorized(`The signature of ${origin} is wrong`);
    this.destinations.heardFrom(origin);
    return origin;
  }

  /**
   * What the header says, as far as it can be checked by itself.
   *
   * @throws MatrixError 400 M_INVALID_PARAM of no server, 401 M_UNAUTHORIZED
   */
  headerOf(authorization: string | undefined): XMatrix {
    const header = parseXMatrix(authorization);
    if (!header) throw unauthorized('A signed request with an X-Matrix Authorization header is needed');
    if (!isServerName(header.origin)) throw MatrixError.invalidParam('The origin is no server name');
    if (header.origin === this.own.serverName) throw unauthorized('The origin is not another server');
    if (header.destination !== undefined && header.destination !== this.own.serverName) {
      throw unauthorized(`The request is for ${header.destination}, this is ${this.own.serverName}`);
    }
    return header;
  }

  /**
   * Whether what may have been signed is. A body that came as canonical JSON, as most servers send it, is used as it is: parsing and
   * serializing a transaction costs more than verifying it. It must be one JSON value, which the handler's parser checks before
   * anything in it counts.
   */
  async #isSigned({ body, address }: InboundRequest, isSigned: (content?: string) => Promise<boolean>): Promise<boolean> {
    if (body === undefined || body === '') return isSigned();
    if (await isSigned(body)) return true;
    const isLarge = body.length > LARGE;
    // What nobody has signed is not worth parsing without end: whoever sends it pays for it.
    const wait = isLarge ? this.#unsigned.take(address, UNSIGNED_BYTES, body.length) : 0;
    if (wait > 0) throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too much that is not signed as it is', { retry_after_ms: wait });
    const canonical = isLarge ? await this.#slots.run({ account: address, destination: address }, () => canonicalInSlices(body)) : canonicalOf(body);
    if (canonical !== body && (await isSigned(canonical))) {
      if (isLarge) this.#unsigned.giveBack(address, UNSIGNED_BYTES, body.length);
      return true;
    }
    // Some send `{}` with requests that have no content to sign.
    return canonical === '{}' && isSigned();
  }
}

/** @throws MatrixError 401, as nobody has signed what is no JSON; 400 M_BAD_JSON for what cannot have been: nothing has been done for it */
function canonicalOf(body: string): string {
  return refused(() => canonicalJson(parseJson(body)));
}

/** The same for a large body, without keeping others waiting. */
function canonicalInSlices(body: string): Promise<string> {
  const pause = () => new Promise<void>((resolve) => void setImmediate(resolve));
  return parseJsonInSlices(body, { pause, maxValues: MAX_VALUES })
    .then((value) => canonicalJsonInSlices(value, pause))
    .catch((error: unknown) => refused(() => { throw error; }));
}

function refused(canonical: () => string): string {
  try {
    return canonical();
  } catch (error) {
    if (error instanceof TooManyValuesError) throw MatrixError.tooLarge(error.message);
    if (error instanceof CanonicalJsonError) throw MatrixError.badJson('The body has no canonical form');
    if (error instanceof SyntaxError) throw unauthorized('The signature is wrong, and the body is no JSON that can have one');
    throw error;
  }
}

function unauthorized(message: string): MatrixError {
  return new MatrixError(401, 'M_UNAUTHORIZED', message);
}
