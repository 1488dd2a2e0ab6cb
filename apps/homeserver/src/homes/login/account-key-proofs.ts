import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { loginProofText } from '#e2e';
import { verifySignature } from '#federation';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { LoginNonces } from './login-nonces.js';

/** Members of a body by which somebody proves an account key. */
export const accountKeyProofShape = { nonce: z.string().max(128), signature: z.string().max(128) };

export interface AccountKeyProof {
  readonly nonce: string;
  readonly signature: string;
}

/** Checks that somebody holds an account key now (protocol §5): a signature over a nonce of this server. */
@Injectable()
export class AccountKeyProofs {
  constructor(
    private readonly nonces: LoginNonces,
    private readonly config: Config,
  ) {}

  /**
   * Each nonce is good once.
   *
   * @param publicKey the account key, unpadded Base64
   * @throws MatrixError 403 `M_FORBIDDEN`
   */
  check(userId: string, publicKey: string, proof: AccountKeyProof): void {
    const text = loginProofText(proof.nonce, userId, this.config.serverName);
    if (!this.nonces.isGood(proof.nonce) || !verifySignature(publicKey, text, proof.signature)) {
      throw MatrixError.forbidden('This is not a signature of the account key over a fresh nonce of this server');
    }
    this.nonces.use(proof.nonce);
  }
}
