import { Column, Entity, PrimaryColumn } from 'typeorm';

/** The dehydrated device of an account (`migrations/0049-dehydrated-devices.sql`). */
@Entity('dehydrated_devices')
export class DehydratedDevice {
  @PrimaryColumn('text', { name: 'user_id' })
  userId!: string;

  @Column('text', { name: 'device_id' })
  deviceId!: string;

  /** JSON object. */
  @Column('text', { name: 'device_data' })
  deviceData!: string;
}
