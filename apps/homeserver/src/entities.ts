import { RegistrationToken } from './auth/registration-token.entity.js';
import { ServerKey, ServerKeyResponse } from './federation/keys/server-key.entity.js';

/** The tables off the hot paths, as TypeORM knows them. */
export const entities = [RegistrationToken, ServerKey, ServerKeyResponse];
