import { Controller, Get, Param, Post } from '@nestjs/common';
import { z } from 'zod';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { HomeIdentities } from '../../accounts/identity/home-identities.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { KnownServers } from '../../homes/attach/known-servers.js';
import { RecordSpread } from '../../homes/attach/record-spread.js';
import { FollowedRecords } from '../../homes/records/followed-records.js';
import { HomeKeys } from '../../homes/records/home-keys.js';
import { HomeRecords } from '../../homes/records/home-records.js';
import { RecordClaims } from '../../homes/records/record-claims.js';
import { MAX_VERSIONS, RecordExchange } from '../../homes/records/record-exchange.js';
import { readVersions } from '../../homes/records/record-version.js';
import { Auth } from '../../http/auth.decorator.js';
import { JsonBody, OriginServer } from '../../http/param.decorators.js';

const anyBody = z.unknown();
const versionsBody = z.object({
  nonce: z.string().min(16).max(64).optional(),
  versions: z.record(z.string().max(255), z.unknown()).refine((value) => Object.keys(value).length <= MAX_VERSIONS, `has more than ${MAX_VERSIONS} members`),
});

/** Home records between servers (docs/protocol.md, §2). They prove themselves, so whoever knows one may hand it on. */
@Controller('/_matrix/federation/unstable/io.partyline')
export class RecordsController {
  constructor(
    private readonly records: HomeRecords,
    private readonly keys: HomeKeys,
    private readonly followed: FollowedRecords,
    private readonly identities: HomeIdentities,
    private readonly accounts: AccountDirectory,
    private readonly exchange: RecordExchange,
    private readonly claims: RecordClaims,
    private readonly known: KnownServers,
    private readonly spread: RecordSpread,
  ) {}

  @Get('record/:userId')
  @Auth('server')
  async get(@OriginServer() origin: string, @Param('userId') userId: string): Promise<object> {
    await this.known.asked([userId], origin);
    const record = await this.followed.of(userId);
    if (record) return record;
    if (!this.accounts.has(userId)) throw MatrixError.notFound('No record of this account is known here');
    return this.identities.record(userId);
  }

  /** Whether this server has agreed to be a home, for those who know an older key of it only. */
  @Get('consent/:userId')
  @Auth('server')
  async consent(@Param('userId') userId: string): Promise<object> {
    const entry = await this.keys.consent(userId);
    if (!entry) throw MatrixError.notFound('This server has not agreed to be a home of the account');
    return entry;
  }

  /** Answers with the highest record, which may be another. */
  @Post('record')
  @Auth('server')
  async put(@OriginServer() origin: string, @JsonBody(anyBody) body: unknown): Promise<object> {
    return (await this.records.accept(body, origin)).record;
  }

  /** Which records are higher here than what the other server has, for many accounts at once; it may have higher ones itself. */
  @Post('records')
  @Auth('server')
  async compare(@OriginServer() origin: string, @JsonBody(versionsBody) body: z.output<typeof versionsBody>): Promise<object> {
    const known = readVersions(body.versions, MAX_VERSIONS);
    this.claims.noticed(origin, known);
    await this.spread.shown(origin, known);
    const userIds = Object.keys(body.versions);
    await this.known.asked(userIds, origin);
    return this.exchange.newsFor(new Map(userIds.map((userId) => [userId, known.get(userId) ?? null])), body.nonce);
  }
}
