import { Column, Entity, PrimaryColumn } from 'typeorm';

/** Where a person wants to be notified (`migrations/0042-pushers.sql`). */
@Entity('pushers')
export class Pusher {
  @PrimaryColumn('text', { name: 'user_id' })
  userId!: string;

  @PrimaryColumn('text', { name: 'app_id' })
  appId!: string;

  @PrimaryColumn('text')
  pushkey!: string;

  @Column('text')
  kind!: 'http' | 'webpush';

  @Column('text', { name: 'device_id', nullable: true })
  deviceId!: string | null;

  @Column('text', { name: 'app_display_name' })
  appDisplayName!: string;

  @Column('text', { name: 'device_display_name' })
  deviceDisplayName!: string;

  @Column('text', { name: 'profile_tag' })
  profileTag!: string;

  @Column('text')
  lang!: string;

  /** JSON object. */
  @Column('text')
  data!: string;

  /** Milliseconds. */
  @Column('bigint', { name: 'set_ts' })
  setTs!: number;

  /** Private key of the signatures that a browser expects, URL-safe Base64. */
  @Column('text', { name: 'vapid_key', nullable: true })
  vapidKey!: string | null;

  @Column('boolean', { name: 'is_active' })
  isActive!: boolean;

  @Column('text', { name: 'ack_token', nullable: true })
  ackToken!: string | null;

  @Column('bigint', { name: 'ack_until', nullable: true })
  ackUntil!: number | null;

  /** Failures in a row. */
  @Column('integer')
  attempts!: number;

  /** Milliseconds; null when nothing waits. */
  @Column('bigint', { name: 'due_ts', nullable: true })
  dueTs!: number | null;
}
