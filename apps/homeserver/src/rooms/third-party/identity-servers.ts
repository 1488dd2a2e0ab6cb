import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { isServerName, isUserId } from '#federation';
import { parseJson } from '#json';
import { MatrixError } from '../../errors/matrix-error.js';
import { HttpsTransport, type WireResponse } from '../../federation/outgoing/https-transport.js';
import { RemoteError, UnreachableError } from '../../federation/outgoing/remote-error.js';
import { targetOf } from '../../federation/outgoing/web-target.js';

const TIMEOUT_MS = 10_000;
const MAX_BYTES = 64 * 1024;
const MAX_KEYS = 10;
const MAX_TEXT = 1_024;
const TOKEN = /^[0-9a-zA-Z.=_-]{1,255}$/;

/** An address of somebody, and the identity server at which it may be bound to an account (client-server/definitions/invite_3pid.yaml). */
export interface ThirdPartyAddress {
  readonly idServer: string;
  /** The inviter's token for the identity server. */
  readonly accessToken: string;
  /** `email` or `msisdn`. */
  readonly medium: string;
  readonly address: string;
}

export interface StoredInvite {
  readonly token: string;
  readonly displayName: string;
  readonly keys: readonly { readonly publicKey: string; readonly validityUrl: string }[];
}

/** Asks identity servers, which clients name, for an inviter (Identity Service API, version 2). */
@Injectable()
export class IdentityServers {
  constructor(private readonly transport: HttpsTransport) {}

  /**
   * The account to which an address is bound; undefined without one.
   *
   * @throws MatrixError 400 `M_INVALID_PARAM` for no server name; what the identity server answers; 502 when it cannot be reached
   */
  async lookup({ idServer, accessToken, medium, address }: ThirdPartyAddress): Promise<string | undefined> {
    const { lookup_pepper: pepper, algorithms } = await this.#ask(idServer, accessToken, 'hash_details');
    if (typeof pepper !== 'string' || !Array.isArray(algorithms) || !algorithms.includes('sha256')) throw nonsense(idServer);
    const hash = createHash('sha256').update(`${address} ${medium} ${pepper}`).digest('base64url');
    const { mappings } = await this.#ask(idServer, accessToken, 'lookup', { algorithm: 'sha256', pepper, addresses: [hash] });
    const bound = (mappings as Record<string, unknown> | null | undefined)?.[hash];
    if (bound === undefined) return undefined;
    if (!isUserId(bound, { historical: true })) throw nonsense(idServer);
    return bound;
  }

  /**
   * Has the server keep an invitation, and write to the address.
   *
   * @param about what it may tell of the room and the inviter
   * @throws as `lookup`; 400 `M_THREEPID_IN_USE` with `mxid` when the address is bound by now
   */
  async storeInvite({ idServer, accessToken, medium, address }: ThirdPartyAddress, about: Readonly<Record<string, string>>): Promise<StoredInvite> {
    const { token, public_keys: given, display_name: displayName } = await this.#ask(idServer, accessToken, 'store-invite', { medium, address, ...about });
    const keys = (Array.isArray(given) ? given : []).slice(0, MAX_KEYS).map((key: unknown) => {
      const { public_key: publicKey, key_validity_url: validityUrl } = (key ?? {}) as Record<string, unknown>;
      if (!isText(publicKey) || !isText(validityUrl)) throw nonsense(idServer);
      return { publicKey, validityUrl };
    });
    if (typeof token !== 'string' || !TOKEN.test(token) || !isText(displayName) || keys.length === 0) throw nonsense(idServer);
    return { token, displayName, keys };
  }

  /**
   * Whether a key of an invitation still counts, by the address that the invitation names.
   *
   * @throws MatrixError 502 when that cannot be told
   */
  async isKeyValid(validityUrl: string, publicKey: string): Promise<boolean> {
    const url = URL.parse(validityUrl);
    if (url?.protocol !== 'https:') throw MatrixError.forbidden('Whether the key of the invitation was revoked cannot be asked');
    url.searchParams.set('public_key', publicKey);
    const answer = await this.#request(url, {});
    return answer.status === 200 && read(answer)?.['valid'] === true;
  }

  async #ask(idServer: string, accessToken: string, what: string, body?: object): Promise<Record<string, unknown>> {
    const url = isServerName(idServer) ? URL.parse(`https://${idServer}/_matrix/identity/v2/${what}`) : null;
    if (!url) throw MatrixError.invalidParam('id_server is no server name');
    const answer = await this.#request(url, { authorization: `Bearer ${accessToken}` }, body);
    const fields = read(answer);
    if (answer.status === 200 && fields) return fields;
    if (answer.status === 200) throw nonsense(idServer);
    throw new RemoteError(idServer, answer.status, typeof fields?.['errcode'] === 'string' ? fields['errcode'] : 'M_UNKNOWN', fields);
  }

  async #request(url: URL, headers: Readonly<Record<string, string>>, body?: object): Promise<WireResponse> {
    const content = body && JSON.stringify(body);
    try {
      return await this.transport.request(targetOf(url), {
        method: content === undefined ? 'GET' : 'POST', path: `${url.pathname}${url.search}`, timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES,
        headers: { ...headers, ...(content === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(content === undefined ? {} : { body: content }),
      });
    } catch (error) {
      throw new UnreachableError(url.host, error instanceof Error ? error.message : String(error), error);
    }
  }
}

function read({ body }: WireResponse): Record<string, unknown> | undefined {
  try {
    const value: unknown = parseJson(body.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_TEXT && !value.includes('\0');
}

function nonsense(idServer: string): MatrixError {
  return MatrixError.unknown(502, `${idServer} did not answer as an identity server`);
}
