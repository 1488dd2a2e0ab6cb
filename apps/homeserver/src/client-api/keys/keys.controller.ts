import { Controller, Get, Post } from '@nestjs/common';
import type { z } from 'zod';
import type { JsonObject } from '#federation';
import type { Requester } from '../../accounts/requester.js';
import { UserInteractiveAuth } from '../../auth/user-interactive-auth.js';
import { DeviceListReader } from '../../device-keys/device-lists/device-list-reader.js';
import { CrossSigning } from '../../device-keys/keys/cross-signing.js';
import { DeviceKeyUpload } from '../../device-keys/keys/device-key-upload.js';
import { KeyClaimer } from '../../device-keys/keys/key-claimer.js';
import { KeyQuery } from '../../device-keys/keys/key-query.js';
import { SignatureUpload } from '../../device-keys/keys/signature-upload.js';
import { OneTimeKeys } from '../../device-keys/one-time-keys/one-time-keys.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody, QueryParams } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { RawJson } from '../../http/raw-json.js';
import { StreamPositions } from '../../storage/stream-positions.js';
import { SyncTokens } from '../../sync/sync-tokens.js';
import { claimsOf } from '../../device-keys/keys/claims-of.js';
import {
  changesSchema, type ClaimBody, claimSchema, type CrossSigningBody, crossSigningSchema, type QueryBody, querySchema,
  type SignaturesBody, signaturesSchema, type UploadBody, uploadSchema,
} from './keys.schema.js';

/** Client-api "end-to-end encryption". */
@Controller('/_matrix/client/v3/keys')
export class KeysController {
  constructor(
    private readonly upload: DeviceKeyUpload,
    private readonly oneTimeKeys: OneTimeKeys,
    private readonly keyQuery: KeyQuery,
    private readonly claimer: KeyClaimer,
    private readonly crossSigning: CrossSigning,
    private readonly signatures: SignatureUpload,
    private readonly changesReader: DeviceListReader,
    private readonly positions: StreamPositions,
    private readonly tokens: SyncTokens,
    private readonly uia: UserInteractiveAuth,
  ) {}

  @Post('upload')
  @Auth('user-or-guest')
  async uploadKeys(@CurrentUser() { userId, deviceId }: Requester, @JsonBody(uploadSchema) body: UploadBody): Promise<RawJson> {
    if (deviceId === null) throw MatrixError.invalidParam('Keys belong to a device, and this session has none');
    const { device_keys: deviceKeys, one_time_keys: oneTimeKeys, fallback_keys: fallbackKeys } = body;
    await this.upload.upload(userId, deviceId, {
      deviceKeys: (deviceKeys ?? undefined) as JsonObject | undefined,
      oneTimeKeys: oneTimeKeys ?? {},
      fallbackKeys: fallbackKeys ?? {},
    });
    return new RawJson(`{"one_time_key_counts":${(await this.oneTimeKeys.counts(userId, deviceId)).oneTimeKeys}}`);
  }

  @Post('query')
  @Auth('user-or-guest')
  @RateLimit('keys')
  query(@CurrentUser() requester: Requester, @JsonBody(querySchema) body: QueryBody): Promise<object> {
    return this.keyQuery.query(requester.userId, new Map(Object.entries(body.device_keys)), body.timeout);
  }

  @Post('claim')
  @Auth('user-or-guest')
  @RateLimit('keys')
  claim(@CurrentUser() requester: Requester, @JsonBody(claimSchema) body: ClaimBody): Promise<object> {
    return this.claimer.claim(requester.userId, claimsOf(body.one_time_keys), body.timeout);
  }

  /** Whose devices changed between two sync tokens; up to now without the second. */
  @Get('changes')
  @Auth('user-or-guest')
  async changes(@CurrentUser() requester: Requester, @QueryParams(changesSchema) query: z.output<typeof changesSchema>): Promise<object> {
    const now = { events: this.positions.current('events'), device_lists: this.positions.current('device_lists') };
    const to = query.to === undefined ? now : (await this.tokens.positions(query.to)) ?? now;
    const from = (await this.tokens.positions(query.from)) ?? { events: 0, device_lists: 0 };
    return this.changesReader.since(requester.userId, from, to);
  }

  @Post('device_signing/upload')
  @Auth('user')
  async uploadCrossSigning(@CurrentUser() requester: Requester, @JsonBody(crossSigningSchema) body: CrossSigningBody): Promise<object> {
    const { userId, appserviceId } = requester;
    const { keys, needs } = await this.crossSigning.check(userId, {
      master: (body.master_key ?? undefined) as JsonObject | undefined,
      self_signing: (body.self_signing_key ?? undefined) as JsonObject | undefined,
      user_signing: (body.user_signing_key ?? undefined) as JsonObject | undefined,
    });
    if (needs === 'nothing') return {};
    if (needs === 'proof' && appserviceId === undefined) await this.uia.confirmOwner('cross-signing-upload', userId, body.auth);
    await this.crossSigning.put(userId, keys);
    return {};
  }

  @Post('signatures/upload')
  @Auth('user')
  async uploadSignatures(@CurrentUser() requester: Requester, @JsonBody(signaturesSchema) body: SignaturesBody): Promise<object> {
    return { failures: await this.signatures.upload(requester.userId, body) };
  }
}
