import { Injectable } from '@nestjs/common';
import { canonicalJson, isJsonObject, jsonMember, serverNameOf, signedBytes, type JsonObject } from '#federation';
import { parseJson } from '#json';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { AccountServers } from '../../accounts/account-servers.js';
import { Clock } from '../../observability/clock.js';
import { Random } from '../../observability/random.js';
import { KeyRing } from '../../federation/keys/key-ring.js';
import { ServerKeys } from '../../federation/keys/server-keys.js';

const LIFETIME_MS = 3_600_000;
const MAX_LENGTH = 4_096;
/** The member that tells this from everything else that servers sign. */
const PURPOSE = 'openid';

/** Answer of `POST /user/{userId}/openid/request_token`. */
export interface OpenIdToken {
  readonly access_token: string;
  readonly token_type: 'Bearer';
  readonly matrix_server_name: string;
  /** Seconds. */
  readonly expires_in: number;
}

/**
 * Tokens with which somebody shows another service who he is (client-server API, §OpenID). A token is a statement that its server
 * signed, so each home of an account knows those of the others: the service asks the domain of the account's name, whichever home
 * made it.
 */
@Injectable()
export class OpenIdTokens {
  constructor(
    private readonly accounts: AccountDirectory,
    private readonly servers: AccountServers,
    private readonly keys: ServerKeys,
    private readonly ring: KeyRing,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  async make(userId: string): Promise<OpenIdToken> {
    const statement = { purpose: PURPOSE, user_id: userId, issuer: this.keys.serverName, expires_ts: this.clock.now() + LIFETIME_MS, nonce: this.random.token(12) };
    const token = Buffer.from(canonicalJson(this.keys.sign(statement))).toString('base64url');
    const domain = serverNameOf(userId)!;
    const homes = await this.servers.of(userId);
    // A domain that is no home, as that of a self-certifying name, could not answer.
    const asked = homes.includes(domain) ? domain : this.keys.serverName;
    return { access_token: token, token_type: 'Bearer', matrix_server_name: asked, expires_in: LIFETIME_MS / 1000 };
  }

  /** The user whom a token is of; undefined for those that are forged, too old, or of accounts that have ended or are not served here. */
  async userOf(token: string): Promise<string | undefined> {
    const statement = readToken(token);
    if (!statement) return undefined;
    const { purpose, user_id: userId, issuer, expires_ts: expiresTs, signatures } = statement;
    if (purpose !== PURPOSE || typeof userId !== 'string' || typeof issuer !== 'string' || typeof expiresTs !== 'number') return undefined;
    const now = this.clock.now();
    // A home whose clock is days ahead does not make tokens that are good for days.
    if (expiresTs <= now || expiresTs > now + 2 * LIFETIME_MS) return undefined;
    const account = await this.accounts.get(userId);
    if (!account || account.deactivatedTs !== null) return undefined;
    if (issuer !== this.keys.serverName && !(await this.servers.of(userId)).includes(issuer)) return undefined;
    return (await this.ring.verify(issuer, signedBytes(statement), jsonMember(signatures, issuer))) ? userId : undefined;
  }
}

function readToken(token: string): JsonObject | undefined {
  if (token.length > MAX_LENGTH) return undefined;
  try {
    const value = parseJson(Buffer.from(token, 'base64url').toString()) as unknown;
    return isJsonObject(value as JsonObject) ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}
