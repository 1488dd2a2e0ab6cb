import { Column, Entity, PrimaryColumn } from 'typeorm';

/** What an address `mxc://server_name/media_id` names (`migrations/0032-media.sql`). */
@Entity('media')
export class Media {
  @PrimaryColumn('text', { name: 'server_name' })
  serverName!: string;

  @PrimaryColumn('text', { name: 'media_id' })
  mediaId!: string;

  /** Account with a home here that uploaded it; null for media of others. */
  @Column('text', { name: 'user_id', nullable: true })
  userId!: string | null;

  /** URL-safe Base64; null while nothing was uploaded to the address. */
  @Column('text', { nullable: true })
  sha256!: string | null;

  @Column('bigint', { nullable: true })
  bytes!: number | null;

  /** As whoever uploaded it says. */
  @Column('text', { name: 'content_type' })
  contentType!: string;

  @Column('text', { nullable: true })
  filename!: string | null;

  /** Milliseconds. */
  @Column('bigint', { name: 'created_ts' })
  createdTs!: number;

  /** Milliseconds: when an unused address ends; null once it is used. */
  @Column('bigint', { name: 'expires_ts', nullable: true })
  expiresTs!: number | null;

  /** Milliseconds: when to fetch the file from the account's other homes; null where that is not to be done, or is done. */
  @Column('bigint', { name: 'fetch_at', nullable: true, default: null })
  fetchAt?: number | null;

  /** How often that has failed. */
  @Column('integer', { default: 0 })
  attempts?: number;
}

/** A file that is stored here (`migrations/0032-media.sql`). */
@Entity('media_files')
export class MediaFile {
  /** URL-safe Base64. */
  @PrimaryColumn('text')
  sha256!: string;

  @Column('bigint')
  bytes!: number;

  /** Media type that its first bytes show; null where they show none. */
  @Column('text', { name: 'sniffed_type', nullable: true })
  sniffedType!: string | null;

  /** Milliseconds: when it was last stored or read, to the day. */
  @Column('bigint', { name: 'read_ts' })
  readTs!: number;
}
