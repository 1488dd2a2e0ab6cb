import { Injectable } from '@nestjs/common';
import { serverNameOf, type HomeRecord, type RoomVersionRules, type SigningKey } from '#federation';
import { HomeIdentities } from '../../accounts/identity/home-identities.js';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { ServerKeys } from '../../federation/keys/server-keys.js';

/** What signs a user's event in a room. */
export interface EventSigner {
  /** Name under which the signature stands: this server. */
  readonly name: string;
  readonly key: SigningKey;
  /** The sender's home record; portable rooms only. */
  readonly record: HomeRecord | null;
}

/** Finds the key that signs events of an account on this server: the server's, or in portable rooms the account's home key. */
@Injectable()
export class EventSigners {
  constructor(
    private readonly config: Config,
    private readonly serverKeys: ServerKeys,
    private readonly identities: HomeIdentities,
  ) {}

  /** @throws 403 `M_FORBIDDEN` where this server may not speak for the user in such a room */
  async of(userId: string, rules: RoomVersionRules): Promise<EventSigner> {
    const name = this.config.serverName;
    if (rules.portable) {
      const { record, key } = await this.identities.signer(userId);
      return { name, key, record };
    }
    if (serverNameOf(userId) !== name) {
      throw MatrixError.forbidden(`Only ${serverNameOf(userId)} can send for this account in rooms of version ${rules.id}`);
    }
    return { name, key: this.serverKeys.signing, record: null };
  }
}
