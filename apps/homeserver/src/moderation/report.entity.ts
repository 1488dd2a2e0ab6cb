import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

export type ReportKind = 'event' | 'room' | 'user';

/** What somebody has reported to the administrators (`migrations/0034-reports.sql`). */
@Entity('reports')
export class Report {
  @PrimaryGeneratedColumn('identity', { type: 'bigint' })
  id!: number;

  @Column('text')
  kind!: ReportKind;

  @Column('text')
  reporter!: string;

  @Column('text', { name: 'room_id', nullable: true })
  roomId!: string | null;

  @Column('text', { name: 'event_id', nullable: true })
  eventId!: string | null;

  /** The user, or the sender of the event. */
  @Column('text', { nullable: true })
  about!: string | null;

  @Column('text', { nullable: true })
  reason!: string | null;

  /** -100, most offensive, to 0. */
  @Column('integer', { nullable: true })
  score!: number | null;

  /** Milliseconds since the epoch. */
  @Column('bigint', { name: 'received_ts' })
  receivedTs!: number;
}
