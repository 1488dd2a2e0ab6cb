import { createHmac } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { sameText } from '../auth/same-text.js';
import { Config } from '../config/config.js';
import { MatrixError } from '../errors/matrix-error.js';
import { Clock } from '../observability/clock.js';
import { Random } from '../observability/random.js';
import { boundedCache } from '../storage/bounded-cache.js';

const LIFETIME_MS = 60_000;
const MAX_NONCES = 1000;

/** What the MAC of a shared-secret registration covers. */
export interface SignedRegistration {
  readonly nonce: string;
  readonly username: string;
  readonly password: string;
  readonly admin: boolean;
  readonly userType?: string | undefined;
  readonly mac: string;
}

/** Nonces and MACs of the shared-secret registration. A nonce is good once, right or wrong. */
@Injectable()
export class RegistrationNonces {
  readonly #issued = boundedCache<string, number>(MAX_NONCES);

  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  issue(): string {
    const nonce = this.random.bytes(32).toString('hex');
    this.#issued.set(nonce, this.clock.steady());
    return nonce;
  }

  /** @throws MatrixError 400 M_UNKNOWN for a nonce that is unknown, used or old; 403 M_FORBIDDEN for a wrong MAC */
  redeem(request: SignedRegistration): void {
    const { nonce, username, password, admin, userType, mac } = request;
    this.redeemFor(nonce, [username, password, admin ? 'admin' : 'notadmin', ...(userType === undefined ? [] : [userType])], mac);
  }

  /** The same for anything else that an operator asks: the MAC covers the nonce and these words. */
  redeemFor(nonce: string, words: readonly string[], mac: string): void {
    const issuedAt = this.#issued.get(nonce);
    this.#issued.delete(nonce);
    if (issuedAt === undefined || this.clock.steady() - issuedAt > LIFETIME_MS) throw MatrixError.unknown(400, 'Unrecognised nonce');
    const expected = createHmac('sha1', this.config.registrationSecret ?? '').update([nonce, ...words].join('\0')).digest('hex');
    if (!sameText(mac.toLowerCase(), expected)) throw MatrixError.forbidden('The MAC is wrong');
  }
}
