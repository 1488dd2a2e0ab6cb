import { randomBytes } from 'node:crypto';
import { accountKey, firstHomeRecord, genesis, type AccountKey } from '#e2e';
import { acceptedInput, signingKeyFromSeed, type EndorsementTerms, type HomeEntry, type HomeRecord, type SigningKey } from '../../libs/federation/src/index.js';
import type { Json } from '../network/test-client.js';
import type { HostileServer } from './hostile-server.js';

/** Somebody with a genesis of his own for a name that another domain gives, who signs whatever the test wants. */
export class Impostor {
  readonly key: AccountKey = accountKey(randomBytes(32));
  readonly homeKey: SigningKey = signingKeyFromSeed('ed25519:h_bad', randomBytes(32));
  readonly genesis: HomeRecord['genesis'];
  record: HomeRecord;

  constructor(
    readonly userId: string, readonly home: HostileServer,
    /** What the domain, or who has a key of it, says about the genesis. */
    endorse: (of: HomeRecord['genesis']) => { endorsement?: Record<string, string>; endorsementTerms?: EndorsementTerms } = () => ({ endorsement: {} }),
    createdTs = 1,
  ) {
    const at = userId.indexOf(':');
    const { publicKey } = this.key;
    this.genesis = genesis({ label: userId.slice(1, at), serverName: userId.slice(at + 1), recoveryKey: publicKey, accountKey: publicKey, createdTs });
    this.record = firstHomeRecord({ userId, genesis: this.genesis, homes: [this.entry()], ...endorse(this.genesis) }, this.key);
  }

  /** The hostile server's entry for the record. */
  entry(): HomeEntry {
    const { publicKey: key, keyId } = this.homeKey;
    const accepted = { [this.home.key.keyId]: this.home.key.sign(acceptedInput(this.userId, key, this.home.name)) };
    return { server_name: this.home.name, key_id: keyId, key, priority: 0, accepted };
  }

  /** How he enters rooms: options of `HostileRoom.join`. */
  get inRooms(): { signer: { name: string; key: SigningKey }; content: Json; home: string } {
    return { signer: { name: this.home.name, key: this.homeKey }, content: { home_record: this.record }, home: this.home.name };
  }
}
