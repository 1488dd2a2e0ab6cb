import { Controller, Get, Param, Post } from '@nestjs/common';
import { z } from 'zod';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { HomeIdentities } from '../../accounts/identity/home-identities.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { FollowedRecords } from '../../homes/records/followed-records.js';
import { HomeRecords } from '../../homes/records/home-records.js';
import { Auth } from '../../http/auth.decorator.js';
import { JsonBody, OriginServer } from '../../http/param.decorators.js';

const anyBody = z.unknown();

/** Home records between servers (docs/protocol.md, §2). They prove themselves, so whoever knows one may hand it on. */
@Controller('/_matrix/federation/unstable/io.partyline/record')
export class RecordsController {
  constructor(
    private readonly records: HomeRecords,
    private readonly followed: FollowedRecords,
    private readonly identities: HomeIdentities,
    private readonly accounts: AccountDirectory,
  ) {}

  @Get(':userId')
  @Auth('server')
  async get(@Param('userId') userId: string): Promise<object> {
    const record = await this.followed.of(userId);
    if (record) return record;
    if (!this.accounts.has(userId)) throw MatrixError.notFound('No record of this account is known here');
    return this.identities.record(userId);
  }

  /** Answers with the highest record, which may be another. */
  @Post()
  @Auth('server')
  async put(@OriginServer() origin: string, @JsonBody(anyBody) body: unknown): Promise<object> {
    return (await this.records.accept(body, origin)).record;
  }
}
