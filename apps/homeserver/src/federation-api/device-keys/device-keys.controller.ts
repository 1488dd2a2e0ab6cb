import { Controller, Get, Param, Post } from '@nestjs/common';
import { z } from 'zod';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { DeviceLists } from '../../device-keys/device-lists/device-lists.js';
import { claimsOf } from '../../device-keys/keys/claims-of.js';
import { KeyClaimer } from '../../device-keys/keys/key-claimer.js';
import { KeyQuery } from '../../device-keys/keys/key-query.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { KnownServers } from '../../homes/attach/known-servers.js';
import { MAX_VERSIONS, RecordExchange } from '../../homes/records/record-exchange.js';
import { VERSIONS_MEMBER } from '../../homes/records/record-version.js';
import { Auth } from '../../http/auth.decorator.js';
import { JsonBody, OriginServer } from '../../http/param.decorators.js';
import { text } from '../../http/query-schemas.js';

const MAX_USERS = 10_000;
const bounded = (map: object): boolean => Object.keys(map).length <= MAX_USERS;

const querySchema = z.object({ device_keys: z.record(text(255), z.array(text(255)).max(MAX_USERS)).refine(bounded) });
const claimSchema = z.object({ one_time_keys: z.record(text(255), z.record(text(255), text(255))).refine(bounded) });

/** Server-server-api "end-to-end encryption" and "device management". */
@Controller('/_matrix/federation/v1/user')
export class DeviceKeysController {
  constructor(
    private readonly directory: AccountDirectory,
    private readonly keyQuery: KeyQuery,
    private readonly claimer: KeyClaimer,
    private readonly deviceLists: DeviceLists,
    private readonly known: KnownServers,
    private readonly exchange: RecordExchange,
  ) {}

  @Post('keys/query')
  @Auth('server')
  async query(@OriginServer() origin: string, @JsonBody(querySchema) body: z.output<typeof querySchema>): Promise<object> {
    const userIds = Object.keys(body.device_keys);
    return { ...(await this.keyQuery.queryLocal(new Map(Object.entries(body.device_keys)))), ...(await this.#versions(origin, userIds)) };
  }

  @Post('keys/claim')
  @Auth('server')
  async claim(@JsonBody(claimSchema) body: z.output<typeof claimSchema>): Promise<object> {
    return { one_time_keys: await this.claimer.claimLocal(claimsOf(body.one_time_keys)) };
  }

  @Get('devices/:userId')
  @Auth('server')
  async devices(@OriginServer() origin: string, @Param('userId') userId: string): Promise<object> {
    if (!this.directory.has(userId)) throw MatrixError.notFound('This user has no account here');
    const { streamId, devices, master, selfSigning } = await this.deviceLists.published(userId);
    return {
      user_id: userId,
      stream_id: streamId,
      devices,
      ...(master && { master_key: master }),
      ...(selfSigning && { self_signing_key: selfSigning }),
      ...(await this.#versions(origin, [userId])),
    };
  }

  /** Whoever asks goes by the record that he has: he is told which one is known here, and later of the next one. */
  async #versions(origin: string, userIds: readonly string[]): Promise<object> {
    await this.known.asked(userIds, origin);
    const versions = await this.exchange.versions(userIds.slice(0, MAX_VERSIONS));
    return Object.keys(versions).length === 0 ? {} : { [VERSIONS_MEMBER]: versions };
  }
}
