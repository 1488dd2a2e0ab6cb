import { Controller, Get, Post, Put, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { HomeIdentities } from '../../accounts/identity/home-identities.js';
import type { Requester } from '../../accounts/requester.js';
import { UserInteractiveAuth } from '../../auth/user-interactive-auth.js';
import { AccountHomes } from '../../homes/attach/account-homes.js';
import { HomeOffers, offerBody } from '../../homes/attach/home-offers.js';
import { RecordPublication } from '../../homes/attach/record-publication.js';
import { HeardHomes } from '../../homes/login/heard-homes.js';
import { Auth } from '../../http/auth.decorator.js';
import { BodyOptions } from '../../http/body-options.decorator.js';
import { CurrentUser, JsonBody } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { type AttachBody, attachSchema, type ClaimBody, claimSchema, type PublishBody, publishSchema } from './homes.schema.js';

/** The account's homes (docs/protocol.md, §2, §3 and §9). */
@Controller('/_matrix/client/unstable/io.partyline/account')
export class AccountHomesController {
  constructor(
    private readonly identities: HomeIdentities,
    private readonly publication: RecordPublication,
    private readonly offers: HomeOffers,
    private readonly homes: AccountHomes,
    private readonly heard: HeardHomes,
    private readonly uia: UserInteractiveAuth,
  ) {}

  @Get('record')
  @Auth('user-or-guest')
  @RateLimit('homes')
  record(@CurrentUser() requester: Requester, @Res({ passthrough: true }) reply: FastifyReply): Promise<object> {
    if (this.heard.isUnconfirmed(requester.userId)) reply.header('io-partyline-unconfirmed', 'true');
    return this.identities.record(requester.userId);
  }

  /** Without a token, too: a record proves itself, and its account may not live here yet. */
  @Put('record')
  @Auth('optional')
  @RateLimit('login')
  @BodyOptions({ limit: 4 * 1024 * 1024 })
  publish(@CurrentUser() requester: Requester | null, @JsonBody(publishSchema) body: PublishBody): Promise<object> {
    return this.publication.publish({
      requesterId: requester?.userId ?? null,
      record: body.record ?? body,
      rooms: new Map(body.record === undefined ? [] : Object.entries(body.rooms ?? {})),
      seen: new Map(body.record === undefined ? [] : Object.entries(body.seen ?? {})),
      proof: body.record === undefined ? undefined : proofOf(body),
    });
  }

  /** Without a token the account key is the proof: whoever asks may not have an account here yet. */
  @Post('attach')
  @Auth('optional')
  @RateLimit('login')
  async attach(@CurrentUser() requester: Requester | null, @JsonBody(attachSchema) body: AttachBody): Promise<object> {
    const request = {
      userId: body.user_id,
      requesterId: requester?.userId ?? null,
      proof: proofOf(body),
      record: body.record,
      genesis: body.genesis,
      registrationToken: body.registration_token,
    };
    if (requester && (await this.offers.needsOwner(request))) await this.uia.confirmOwner('found-account', requester.userId, body.auth);
    return offerBody(await this.offers.offer(request));
  }

  @Get('homes')
  @Auth('user-or-guest')
  @RateLimit('homes')
  list(@CurrentUser() requester: Requester): Promise<object> {
    return this.homes.of(requester.userId);
  }

  /** A client takes over the keys of its account, which this server has held for it. */
  @Post('claim')
  @Auth('user')
  @RateLimit('login')
  async claim(@CurrentUser() requester: Requester, @JsonBody(claimSchema) body: ClaimBody): Promise<object> {
    await this.uia.confirmOwner('claim-account-key', requester.userId, body.auth);
    return { recovery_seed: (await this.publication.recoverySeed(requester.userId)).toString('base64').replace(/=+$/, '') };
  }
}

function proofOf({ nonce, signature }: { nonce?: string | undefined; signature?: string | undefined }): { nonce: string; signature: string } | undefined {
  return nonce === undefined || signature === undefined ? undefined : { nonce, signature };
}
