import { Controller, Get, Param, Post } from '@nestjs/common';
import { z } from 'zod';
import { canonicalJson, type JsonObject } from '#federation';
import { parseStoredJson } from '#json';
import { MatrixError } from '../../errors/matrix-error.js';
import { Notary } from '../../federation/keys/notary.js';
import { ServerKeys } from '../../federation/keys/server-keys.js';
import { Auth } from '../../http/auth.decorator.js';
import { ClientAddress, JsonBody, QueryParams } from '../../http/param.decorators.js';
import { queryNumber } from '../../http/query-schemas.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { addressKey } from '../../http/rate-limits.js';
import { RawJson } from '../../http/raw-json.js';
import { Clock } from '../../observability/clock.js';

/** Servers in one notary query; each may have to be asked. */
const MAX_SERVERS = 100;

const Minimum = z.object({ minimum_valid_until_ts: z.int().nonnegative().optional() });
const NotaryQuery = z.object({ server_keys: z.record(z.string(), z.record(z.string(), Minimum)) });
const SingleQuery = z.object({ minimum_valid_until_ts: queryNumber(Number.MAX_SAFE_INTEGER).optional() });

/** What is asked of one server; `minimum` in milliseconds, no key ids for any. */
interface Wanted {
  readonly serverName: string;
  readonly minimum: number | undefined;
  readonly keyIds: readonly string[];
}

/** Signing keys (server-server API, §Retrieving server keys): this server's, and as a notary those of others. Not signed requests. */
@Controller('/_matrix/key/v2')
export class KeysController {
  constructor(
    private readonly own: ServerKeys,
    private readonly notary: Notary,
    private readonly clock: Clock,
  ) {}

  /** The key id in the path is deprecated and changes nothing. */
  @Get(['/server', '/server/:keyId'])
  @Auth('none')
  server(): RawJson {
    return new RawJson(this.own.published());
  }

  @Get(['/query/:serverName', '/query/:serverName/:keyId'])
  @Auth('none')
  @RateLimit('notary')
  async query(
    @Param('serverName') serverName: string, @QueryParams(SingleQuery) query: z.output<typeof SingleQuery>, @ClientAddress() address: string,
  ): Promise<RawJson> {
    return this.#answer([{ serverName, minimum: query.minimum_valid_until_ts, keyIds: [] }], address);
  }

  @Post('/query')
  @Auth('none')
  @RateLimit('notary')
  async queryMany(@JsonBody(NotaryQuery) body: z.output<typeof NotaryQuery>, @ClientAddress() address: string): Promise<RawJson> {
    const wanted = Object.entries(body.server_keys);
    if (wanted.length > MAX_SERVERS) throw MatrixError.badJson(`server_keys: at most ${MAX_SERVERS} servers`);
    return this.#answer(
      wanted.map(([serverName, keys]) => {
        const minima = Object.values(keys).map((key) => key.minimum_valid_until_ts ?? 0);
        return { serverName, minimum: minima.reduce((a, b) => Math.max(a, b), 0) || undefined, keyIds: Object.keys(keys) };
      }),
      address,
    );
  }

  async #answer(wanted: readonly Wanted[], address: string): Promise<RawJson> {
    const cause = addressKey(address);
    const found = await Promise.all(wanted.map((one) => this.#ofOne(one, cause)));
    return new RawJson(`{"server_keys":[${found.flat().join(',')}]}`);
  }

  async #ofOne({ serverName, minimum, keyIds }: Wanted, cause: string): Promise<string[]> {
    if (serverName === this.own.serverName) return [this.own.published()];
    const found = await this.notary.responses(serverName, minimum ?? this.clock.now(), keyIds, cause);
    // The notary's signature goes beside the server's own.
    return found.map((json) => canonicalJson(this.own.sign(parseStoredJson(json) as JsonObject)));
  }
}
