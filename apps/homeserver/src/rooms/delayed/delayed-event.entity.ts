import { Column, Entity, PrimaryColumn } from 'typeorm';

/** What became of a delayed event. */
export type DelayedOutcome = 'send' | 'cancel' | 'error';

/** An event that is to be sent later, or was (`migrations/0040-delayed-events.sql`). */
@Entity('delayed_events')
export class DelayedEvent {
  /** Whoever knows it may send, restart or cancel. */
  @PrimaryColumn('text', { name: 'delay_id' })
  delayId!: string;

  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text', { name: 'device_id', nullable: true })
  deviceId!: string | null;

  @Column('text', { nullable: true })
  txn!: string | null;

  @Column('text', { name: 'room_id' })
  roomId!: string;

  @Column('text')
  type!: string;

  @Column('text', { name: 'state_key', nullable: true })
  stateKey!: string | null;

  /** JSON. */
  @Column('text')
  content!: string;

  @Column('bigint', { name: 'delay_ms' })
  delayMs!: number;

  /** Milliseconds since the epoch, as the following. */
  @Column('bigint', { name: 'running_since' })
  runningSince!: number;

  @Column('bigint', { name: 'send_at' })
  sendAt!: number;

  /** Null while it waits. */
  @Column('text', { nullable: true })
  outcome!: DelayedOutcome | null;

  @Column('text', { nullable: true })
  reason!: 'action' | 'delay' | null;

  /** JSON of the error. */
  @Column('text', { nullable: true })
  error!: string | null;

  @Column('text', { name: 'event_id', nullable: true })
  eventId!: string | null;

  @Column('bigint', { name: 'finalised_ts', nullable: true })
  finalisedTs!: number | null;
}
