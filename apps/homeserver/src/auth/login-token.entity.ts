import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A token with which one more client may log in, once (`migrations/0033-login-tokens.sql`). */
@Entity('login_tokens')
export class LoginToken {
  /** SHA-256 of the token, hexadecimal: the token itself is with its bearer only. */
  @PrimaryColumn('text', { name: 'token_hash' })
  tokenHash!: string;

  @Column('text', { name: 'user_id' })
  userId!: string;

  /** Milliseconds since the epoch. */
  @Column('bigint', { name: 'expires_ts' })
  expiresTs!: number;
}
