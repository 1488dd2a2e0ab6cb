import { randomBytes } from 'node:crypto';
import {
  accountKey, firstHomeRecord, genesis, homeRecordText, nextHomeRecord, selfCertifyingUserId, type AccountKey, type HomeChange,
} from '#e2e';
import { acceptedInput, signingKeyFromSeed, type HomeEntry, type HomeRecord, type SigningKey } from '../../libs/federation/src/index.js';
import type { Json } from '../network/test-client.js';
import type { HostileServer } from './hostile-server.js';

/** Somebody whose home is a hostile server, and who signs whatever the test wants. */
export class HostilePerson {
  readonly key: AccountKey = accountKey(randomBytes(32));
  readonly recoveryKey: AccountKey = accountKey(randomBytes(32));
  /** What the hostile server signs the person's events with. */
  readonly homeKey: SigningKey = signingKeyFromSeed('ed25519:h_bad', randomBytes(32));
  readonly genesis: HomeRecord['genesis'];
  readonly userId: string;
  record: HomeRecord;

  constructor(label: string, readonly server: HostileServer) {
    const { publicKey: account } = this.key;
    this.genesis = genesis({ label, serverName: server.name, recoveryKey: this.recoveryKey.publicKey, accountKey: account, createdTs: 1 });
    this.userId = selfCertifyingUserId(this.genesis);
    this.record = firstHomeRecord({ userId: this.userId, genesis: this.genesis, homes: [this.entry()] }, this.key);
  }

  /** The hostile server's entry, or what another server would sign if the hostile one had its key. */
  entry(server: HostileServer = this.server, changes: Partial<HomeEntry> = {}): HomeEntry {
    const { publicKey: key, keyId } = this.homeKey;
    const accepted = { [server.key.keyId]: server.key.sign(acceptedInput(this.userId, key, server.name)) };
    return { server_name: server.name, key_id: keyId, key, priority: 0, accepted, ...changes };
  }

  next(change: HomeChange = {}): HomeRecord {
    return nextHomeRecord(this.record, change, this.key);
  }

  /** Any changes at all, with a signature that fits them. */
  signed(changes: Json, key = this.key, from: HomeRecord = this.record): HomeRecord {
    const { signature: _signature, ...record } = { ...from, ...changes };
    return { ...record, signature: key.sign(homeRecordText(record)) };
  }

  /** How the person enters rooms: with the record, through the hostile server, signed with the home key. */
  get inRooms(): { signer: { name: string; key: SigningKey }; content: Json; home: string } {
    return { signer: { name: this.server.name, key: this.homeKey }, content: { home_record: this.record }, home: this.server.name };
  }
}
