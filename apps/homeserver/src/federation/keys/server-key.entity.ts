import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A key of another server (`migrations/0003-federation.sql`). Keys that vanish from its answers stay with their last validity. */
@Entity('server_keys')
export class ServerKey {
  @PrimaryColumn('text', { name: 'server_name' })
  serverName!: string;

  /** E.g. `ed25519:a1`. */
  @PrimaryColumn('text', { name: 'key_id' })
  keyId!: string;

  /** Unpadded Base64. */
  @Column('text', { name: 'public_key' })
  publicKey!: string;

  /** Milliseconds: the lesser of what the server says and 7 days after it was fetched. */
  @Column('bigint', { name: 'valid_until_ts' })
  validUntilTs!: number;

  /** When the server stopped using it (`old_verify_keys`), in milliseconds; null for a key in use. */
  @Column('bigint', { name: 'expired_ts', nullable: true })
  expiredTs!: number | null;
}

/** The last key object of a server as it signed it: what this server answers as a notary. */
@Entity('server_key_responses')
export class ServerKeyResponse {
  @PrimaryColumn('text', { name: 'server_name' })
  serverName!: string;

  /** The signed object. */
  @Column('text')
  json!: string;

  /** Milliseconds. */
  @Column('bigint', { name: 'fetched_ts' })
  fetchedTs!: number;

  /** Milliseconds: the lesser of what the server says and 7 days after it was fetched. */
  @Column('bigint', { name: 'valid_until_ts' })
  validUntilTs!: number;
}

/** A former key object (`migrations/0026-notary.sql`). */
@Entity('server_key_past_responses')
export class PastKeyResponse {
  @PrimaryColumn('text', { name: 'server_name' })
  serverName!: string;

  /** The key that the newest object lacks. */
  @PrimaryColumn('text', { name: 'key_id' })
  keyId!: string;

  /** The last signed object that named it as in use. */
  @Column('text')
  json!: string;

  /** Milliseconds. */
  @Column('bigint', { name: 'fetched_ts' })
  fetchedTs!: number;
}
