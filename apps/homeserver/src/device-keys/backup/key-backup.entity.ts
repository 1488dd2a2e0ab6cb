import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A backup of message keys (`migrations/0036-key-backups.sql`). */
@Entity('key_backups')
export class KeyBackup {
  @PrimaryColumn('text', { name: 'user_id' })
  userId!: string;

  @PrimaryColumn('text')
  version!: string;

  /** The highest that is not deleted is the current backup. */
  @Column('bigint')
  number!: number;

  @Column('text')
  algorithm!: string;

  /** JSON object. */
  @Column('text', { name: 'auth_data' })
  authData!: string;

  @Column('boolean', { name: 'is_deleted' })
  isDeleted!: boolean;

  @Column('bigint')
  etag!: number;

  @Column('integer')
  keys!: number;

  /** Of the keys' session data. */
  @Column('bigint')
  bytes!: number;
}
