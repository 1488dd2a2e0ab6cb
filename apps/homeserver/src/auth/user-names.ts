import { Injectable } from '@nestjs/common';
import { isSelfCertifying } from '#federation';
import { AccountDirectory, userInUse } from '../accounts/account-directory.js';
import { Config } from '../config/config.js';
import { MatrixError } from '../errors/matrix-error.js';
import { Random } from '../observability/random.js';

/** As people type it. Looked at before it is lowered: other alphabets have capitals whose small letters are ASCII (U+212A, the kelvin sign). */
const CHOSEN = /^[A-Za-z0-9._=\-/+]+$/;
const MAX_USER_ID_BYTES = 255;

/** Which names people can register (appendices "user identifiers"). */
@Injectable()
export class UserNames {
  readonly #reservations: ((userId: string) => boolean)[] = [];

  constructor(
    private readonly directory: AccountDirectory,
    private readonly config: Config,
    private readonly random: Random,
  ) {}

  /** Keeps names for somebody else: the exclusive namespaces of application services. */
  reserve(isReserved: (userId: string) => boolean): void {
    this.#reservations.push(isReserved);
  }

  /**
   * The user id for a name that a person chose; capitals are lowered.
   *
   * @throws MatrixError 400 M_INVALID_USERNAME, M_EXCLUSIVE or M_USER_IN_USE
   */
  choose(name: string): string {
    const userId = this.format(name);
    // Such a name is proved by an account key, not by being first.
    if (isSelfCertifying(userId)) throw new MatrixError(400, 'M_INVALID_USERNAME', 'This form of name belongs to account keys');
    if (this.#reservations.some((isReserved) => isReserved(userId))) {
      throw new MatrixError(400, 'M_EXCLUSIVE', 'This name is kept for an application service');
    }
    if (this.directory.has(userId)) throw userInUse();
    return userId;
  }

  /** As `choose`, but for names that may be taken or reserved. @throws MatrixError 400 M_INVALID_USERNAME */
  format(name: string): string {
    const userId = `@${name.toLowerCase()}:${this.config.serverName}`;
    if (!CHOSEN.test(name)) {
      throw new MatrixError(400, 'M_INVALID_USERNAME', 'A user name holds letters, digits and . _ = - / + only');
    }
    if (Buffer.byteLength(userId) > MAX_USER_ID_BYTES) {
      throw new MatrixError(400, 'M_INVALID_USERNAME', 'This user name is too long');
    }
    return userId;
  }

  /** A name nobody has. */
  generate(prefix: string): string {
    return this.format(`${prefix}${this.random.bytes(8).toString('hex')}`);
  }
}
