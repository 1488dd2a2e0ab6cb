import { randomBytes } from 'node:crypto';
import {
  acceptedInput, logName, operationHash, signHead, signingKeyFromSeed, signOperation, type AccountOperation, type HomeEntry, type LogPlaces,
  type SigningKey,
} from '../../libs/federation/src/index.js';
import type { Json } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import type { HostileServer } from './hostile-server.js';

const FEDERATION = '/_matrix/federation/unstable/io.partyline';

/** One account's home at a hostile server: a key, and a log that it writes as it likes. */
export class HostileHome {
  readonly key: SigningKey;
  readonly log: string;

  constructor(readonly server: HostileServer, readonly userId: string) {
    this.key = signingKeyFromSeed('ed25519:h_evil', randomBytes(32));
    this.log = this.anotherLog();
  }

  get entry(): HomeEntry {
    const { key } = this.server;
    const accepted = { [key.keyId]: key.sign(acceptedInput(this.userId, this.key.publicKey, this.server.name)) };
    return { server_name: this.server.name, key_id: this.key.keyId, key: this.key.publicKey, priority: 50, accepted };
  }

  anotherLog(): string {
    return logName(this.userId, this.key.publicKey, randomBytes(8).toString('base64url').slice(0, 10));
  }

  /** A signed operation; text values are taken as JSON text of an object, as account data is. */
  op(kind: string, key: string, value: unknown, more: { prev?: AccountOperation | null; after?: LogPlaces; ms?: number; log?: string; home?: string } = {}): AccountOperation {
    const { prev = null, after = {}, ms = Date.now(), log = this.log, home = this.server.name } = more;
    const n = (prev?.n ?? 0) + 1;
    const before = prev && operationHash(prev);
    return signOperation({ user_id: this.userId, log, n, prev: before, after, home, ms, kind, key, value: JSON.stringify(value) }, this.key);
  }

  /** A signed head, of an operation or of nothing. */
  head(place: AccountOperation | { n: number; hash: string; log?: string }): Json {
    const hash = 'hash' in place ? place.hash : operationHash(place);
    const { user_id: _user, ...wire } = signHead({ user_id: this.userId, log: place.log ?? this.log, n: place.n, hash }, this.key);
    return wire;
  }

  get opsPath(): string {
    return `${FEDERATION}/account/${encodeURIComponent(this.userId)}/ops`;
  }

  /** Hands operations over. */
  hand(to: TestServer, ops: readonly object[], more: Json = {}): Promise<{ status: number; body: Json }> {
    return this.server.raw(to, 'POST', this.opsPath, { ops, ...more });
  }
}
