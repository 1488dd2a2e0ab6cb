import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A token with which people may register (`migrations/0002-accounts.sql`). */
@Entity('registration_tokens')
export class RegistrationToken {
  @PrimaryColumn('text')
  token!: string;

  /** null for any number. */
  @Column('integer', { name: 'uses_allowed', nullable: true })
  usesAllowed!: number | null;

  @Column('integer', { default: 0 })
  used!: number;

  /** Milliseconds since the epoch; null for never. */
  @Column('bigint', { name: 'expires_ts', nullable: true })
  expiresTs!: number | null;

  /** Milliseconds since the epoch. */
  @Column('bigint', { name: 'created_ts' })
  createdTs!: number;
}
