import { Controller, Get, Inject, Optional, Post } from '@nestjs/common';
import { Registration } from '../../auth/registration.js';
import { Sessions } from '../../auth/sessions.js';
import { UserNames } from '../../auth/user-names.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { HomeOffers, offerBody } from '../../homes/attach/home-offers.js';
import { Auth } from '../../http/auth.decorator.js';
import { JsonBody, QueryParams } from '../../http/param.decorators.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import {
  type RegistrationBody,
  registrationQuery,
  type RegistrationQuery,
  registrationSchema,
  tokenQuery,
  usernameQuery,
} from './registration.schema.js';

@Controller('/_matrix/client')
export class RegistrationController {
  constructor(
    private readonly registration: Registration,
    private readonly names: UserNames,
    private readonly sessions: Sessions,
    /** Absent in a server of some parts only. */
    @Optional() @Inject(HomeOffers) private readonly homeOffers: HomeOffers | null,
  ) {}

  get #offers(): HomeOffers {
    if (!this.homeOffers) throw MatrixError.unrecognized();
    return this.homeOffers;
  }

  @Post('v3/register')
  @Auth('none')
  @RateLimit('registration')
  async register(
    @QueryParams(registrationQuery) query: RegistrationQuery,
    @JsonBody(registrationSchema) given: RegistrationBody,
  ): Promise<object> {
    if (query.kind === 'guest') {
      return this.sessions.open({ userId: await this.registration.registerGuest(), displayName: given.initial_device_display_name });
    }
    this.#readGenesis(given);
    const { userId, request: body } = await this.registration.register(given);
    const genesis = body['io.partyline.genesis'];
    // Made with the account, so that it needs no keys in custody and no word of the owner later (docs/protocol.md, §2).
    const home = genesis === undefined ? {} : { 'io.partyline.home': offerBody(await this.#offers.offerNew(userId, this.#offers.genesisOf(userId, genesis))) };
    const displayName = body.initial_device_display_name;
    if (body.inhibit_login) return { user_id: userId, home_server: userId.slice(userId.indexOf(':') + 1), ...home };
    return { ...(await this.sessions.open({ userId, deviceId: body.device_id, displayName, refreshable: body.refresh_token ?? false })), ...home };
  }

  /** What is wrong with it is said before there is an account. */
  #readGenesis({ username, 'io.partyline.genesis': genesis }: RegistrationBody): void {
    if (genesis === undefined) return;
    if (username === undefined) throw MatrixError.missingParam('A genesis names its account: username is missing');
    this.#offers.genesisOf(this.names.format(username), genesis);
  }

  @Get('v3/register/available')
  @Auth('none')
  @RateLimit('lookup')
  available(@QueryParams(usernameQuery) query: { username: string }): object {
    if (this.registration.isClosed) throw MatrixError.forbidden('Registration is closed on this server');
    this.names.choose(query.username);
    return { available: true };
  }

  @Get('v1/register/m.login.registration_token/validity')
  @Auth('none')
  @RateLimit('registration')
  async validity(@QueryParams(tokenQuery) query: { token: string }): Promise<object> {
    if (this.registration.isClosed) throw MatrixError.forbidden('Registration is closed on this server');
    return { valid: await this.registration.isTokenValid(query.token) };
  }
}
