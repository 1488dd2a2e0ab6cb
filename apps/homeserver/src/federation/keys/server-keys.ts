import { canonicalJson, signJson, type JsonObject, type SigningKey } from '#federation';
import type { Config } from '../../config/config.js';
import type { Clock } from '../../observability/clock.js';
import type { OldKey, ServerKeyFile } from './signing-key-file.js';

/** Others refetch after this; more than the hour that the specification asks for, less than its cap of 7 days. */
const LIFETIME_MS = 24 * 3_600_000;

/** This server's own signing key, and what it publishes of it. */
export class ServerKeys {
  readonly signing: SigningKey;
  readonly old: readonly OldKey[];
  #published: { text: string; renewAt: number } | undefined;

  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    file: ServerKeyFile,
  ) {
    this.signing = file.current;
    this.old = file.old;
  }

  get serverName(): string {
    return this.config.serverName;
  }

  get keyId(): string {
    return this.signing.keyId;
  }

  /** Unpadded Base64. */
  get publicKey(): string {
    return this.signing.publicKey;
  }

  /** A signed copy of the object, in this server's name. */
  sign<T extends JsonObject>(object: T): ReturnType<typeof signJson<T>> {
    return signJson(object, this.serverName, this.signing);
  }

  /** Answer of `GET /_matrix/key/v2/server` as JSON text, signed once per hour. */
  published(): string {
    const now = this.clock.now();
    if (!this.#published || this.#published.renewAt <= now) {
      const response = this.sign({
        server_name: this.serverName,
        verify_keys: { [this.keyId]: { key: this.publicKey } },
        old_verify_keys: Object.fromEntries(this.old.map((key) => [key.keyId, { key: key.publicKey, expired_ts: key.expiredTs }])),
        valid_until_ts: now + LIFETIME_MS,
      });
      this.#published = { text: canonicalJson(response), renewAt: now + 3_600_000 };
    }
    return this.#published.text;
  }
}
