import { Module } from '@nestjs/common';
import { AccountsModule } from '../accounts/accounts.module.js';
import { AdoptedDevices } from './adopted-devices.js';
import { DeletedDevices } from './deleted-devices.js';
import { DeviceServerSlots } from './device-server-slots.js';
import { DeviceKeyReplication } from './device-key-replication.js';
import { DeviceListReader } from './device-lists/device-list-reader.js';
import { DeviceListStore } from './device-lists/device-list.store.js';
import { DeviceListUpdates } from './device-lists/device-list-updates.js';
import { DeviceListWriter } from './device-lists/device-list-writer.js';
import { DeviceLists } from './device-lists/device-lists.js';
import { RemoteDeviceListStore } from './device-lists/remote-device-list.store.js';
import { RenewedDeviceLists } from './device-lists/renewed-device-lists.js';
import { NewSharers } from './device-lists/new-sharers.js';
import { RemoteDeviceLists } from './device-lists/remote-device-lists.js';
import { KeyBackupReplication } from './backup/key-backup-replication.js';
import { KeyBackupStore } from './backup/key-backup.store.js';
import { KeyBackups } from './backup/key-backups.js';
import { DehydratedDevices } from './dehydration/dehydrated-devices.js';
import { CrossSigning } from './keys/cross-signing.js';
import { DeviceKeyStore } from './keys/device-key.store.js';
import { DeviceKeyUpload } from './keys/device-key-upload.js';
import { KeyClaimer } from './keys/key-claimer.js';
import { KeyQuery } from './keys/key-query.js';
import { SignatureUpload } from './keys/signature-upload.js';
import { OneTimeKeyStore } from './one-time-keys/one-time-key.store.js';
import { OneTimeKeys } from './one-time-keys/one-time-keys.js';
import { ToDevice } from './to-device/to-device.js';
import { ToDeviceInbox } from './to-device/to-device-inbox.js';
import { ToDeviceStore } from './to-device/to-device.store.js';

/** What end-to-end encryption needs of a server: keys, device lists, messages between devices. */
@Module({
  imports: [AccountsModule],
  providers: [
    DeviceKeyStore, DeviceKeyUpload, CrossSigning, SignatureUpload, KeyQuery, KeyClaimer,
    OneTimeKeyStore, OneTimeKeys, DeviceServerSlots,
    DeviceListStore, DeviceListWriter, DeviceLists, DeviceListReader, DeviceListUpdates, RemoteDeviceListStore, RemoteDeviceLists,
    RenewedDeviceLists, NewSharers,
    ToDeviceStore, ToDeviceInbox, ToDevice,
    DeletedDevices, AdoptedDevices, DeviceKeyReplication,
    KeyBackupStore, KeyBackups, KeyBackupReplication,
    DehydratedDevices,
  ],
  exports: [
    DeviceKeyUpload, CrossSigning, SignatureUpload, KeyQuery, KeyClaimer, OneTimeKeys, DeviceLists, DeviceListReader,
    ToDevice, ToDeviceInbox, AdoptedDevices, KeyBackupStore, KeyBackups, DehydratedDevices,
  ],
})
export class DeviceKeysModule {}
