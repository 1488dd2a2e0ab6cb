import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A room of this server's directory (`migrations/0035-listed-rooms.sql`). */
@Entity('listed_rooms')
export class ListedRoom {
  @PrimaryColumn('bigint', { name: 'room_nid' })
  roomNid!: number;

  @Column('text', { name: 'room_id' })
  roomId!: string;

  /** Joined members. */
  @Column('integer')
  members!: number;

  /** null for a room of no type. */
  @Column('text', { name: 'room_type', nullable: true })
  roomType!: string | null;

  /** Name, topic and alias in lower case. */
  @Column('text')
  search!: string;

  /** The entry of the list, as JSON. */
  @Column('text')
  shown!: string;

  /** Position in the `events` stream up to which changes are in. */
  @Column('bigint')
  pos!: number;
}
