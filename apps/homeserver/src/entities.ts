import { LoginToken } from './auth/login-token.entity.js';
import { RegistrationToken } from './auth/registration-token.entity.js';
import { KeyBackup } from './device-keys/backup/key-backup.entity.js';
import { DehydratedDevice } from './device-keys/dehydration/dehydrated-device.entity.js';
import { ListedRoom } from './directory/listed-room.entity.js';
import { DelayedEvent } from './rooms/delayed/delayed-event.entity.js';
import { Media, MediaFile } from './media/media.entity.js';
import { Pusher } from './push/pushers/pusher.entity.js';
import { QuarantinedMedia } from './media/quarantine/quarantined-media.entity.js';
import { Report } from './moderation/report.entity.js';
import { PastKeyResponse, ServerKey, ServerKeyResponse } from './federation/keys/server-key.entity.js';

/** The tables off the hot paths, as TypeORM knows them. */
export const entities = [
  DehydratedDevice,
  DelayedEvent,
  KeyBackup,
  ListedRoom,
  LoginToken,
  Media,
  MediaFile,
  PastKeyResponse,
  Pusher,
  QuarantinedMedia,
  RegistrationToken,
  Report,
  ServerKey,
  ServerKeyResponse,
];
