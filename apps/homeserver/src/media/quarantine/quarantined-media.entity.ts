import { Column, Entity, PrimaryColumn } from 'typeorm';

/** Media that nobody is given any more (`migrations/0048-room-life.sql`). */
@Entity('quarantined_media')
export class QuarantinedMedia {
  /** `serverName/mediaId`, or the SHA-256 of a file. */
  @PrimaryColumn('text')
  key!: string;

  /** Administrator who said so. */
  @Column('text', { name: 'quarantined_by' })
  quarantinedBy!: string;

  /** Milliseconds. */
  @Column('bigint', { name: 'quarantined_ts' })
  quarantinedTs!: number;
}
