import { resolve } from 'node:path';
import { z } from 'zod';
import { readCertificates, readTlsFiles } from './certificates.js';
import { Config } from './config.js';
import { nearest } from './nearest.js';
import { addresses, contact, databaseUrl, flag, lifetime, lifetimes, logLevel, mediaPlace, port, publicUrl, roomVersionId, searchLanguage, serverName, serverNames, size, text, turnUris, webAddress } from './setting-values.js';
import { settingsOfFile } from './settings-file.js';
import { SettingsError } from './settings-error.js';

/** Everything of `Config` but the database, which may have to be started first. */
export type Settings = Omit<Config, 'databaseUrl' | 'databaseFolder'> & { readonly databaseUrl: string | null };

type Environment = Readonly<Record<string, string | undefined>>;

const PREFIX = 'PARTYLINE_';
/** Variables of the test runner, which servers of a test inherit. */
const TEST_PREFIX = 'PARTYLINE_TEST_';

const schema = z.object({
  PARTYLINE_SERVER_NAME: serverName.default('localhost'),
  PARTYLINE_DATA_DIR: text.default('data'),
  PARTYLINE_BIND: addresses.default(['127.0.0.1', '::1']),
  PARTYLINE_HTTP_PORT: port.default(8008),
  PARTYLINE_HTTPS_PORT: port.default(8448),
  PARTYLINE_TLS_CERT: text.optional(),
  PARTYLINE_TLS_KEY: text.optional(),
  DATABASE_URL: databaseUrl.optional(),
  PARTYLINE_PUBLIC_URL: publicUrl.optional(),
  PARTYLINE_REGISTRATION: z.enum(['open', 'token', 'closed'], 'expected "open", "token" or "closed"').default('closed'),
  PARTYLINE_REGISTRATION_SECRET: text.optional(),
  PARTYLINE_DEFAULT_ROOM_VERSION: roomVersionId.optional(),
  PARTYLINE_TURN_URIS: turnUris.default([]),
  PARTYLINE_TURN_SECRET: text.optional(),
  PARTYLINE_LIVEKIT_URL: webAddress.optional(),
  PARTYLINE_CONTACT: contact.optional(),
  PARTYLINE_RATE_LIMITS: flag.default(true),
  PARTYLINE_NOTARIES: serverNames.default([]),
  PARTYLINE_MEDIA_STORE: mediaPlace.prefault('disk'),
  PARTYLINE_MAX_UPLOAD: size.prefault('100M'),
  PARTYLINE_MEDIA_QUOTA: size.prefault('10G'),
  PARTYLINE_MEDIA_CACHE: size.prefault('20G'),
  PARTYLINE_OPEN_MEDIA: flag.default(true),
  PARTYLINE_URL_PREVIEWS: flag.default(false),
  PARTYLINE_RETENTION: lifetime.prefault('forever'),
  PARTYLINE_RETENTION_LIMITS: lifetimes.prefault('none'),
  PARTYLINE_SEARCH_LANGUAGE: searchLanguage.default('simple'),
  PARTYLINE_PUSH_BADGE: z.enum(['rooms', 'messages'], 'expected "rooms" or "messages"').default('rooms'),
  PARTYLINE_PRESENCE: flag.default(true),
  PARTYLINE_LOG_LEVEL: logLevel.default('info'),
  PARTYLINE_FEDERATION_CA: text.optional(),
  PARTYLINE_ALLOW_PRIVATE_ADDRESSES: flag.default(false),
  PARTYLINE_PASSWORD_COST: z.enum(['normal', 'cheap'], 'expected "normal" or "cheap"').default('normal'),
});

/** Names of all settings, as environment variables. */
export const settingNames: readonly string[] = Object.keys(schema.shape);

/**
 * Reads the settings of the environment and, for those that it does not name, of `partyline.yaml` (the same names, or in
 * lower case without the prefix: `server_name: example.org`). An empty variable counts as not set.
 *
 * @param cwd what relative paths start from
 * @throws SettingsError that names the first wrong setting
 */
export function loadConfig(env: Environment, cwd: string): Settings {
  const folders = [cwd, resolve(cwd, env['PARTYLINE_DATA_DIR'] || 'data')];
  const named = { ...settingsOfFile(folders, settingNames), ...settingsOfEnvironment(env) };
  const parsed = schema.safeParse(named);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new SettingsError(String(issue.path[0]), issue.message);
  }
  const values = parsed.data;
  const path = (value: string | undefined): string | null => (value === undefined ? null : resolve(cwd, value));
  const tls = readTlsFiles(path(values.PARTYLINE_TLS_CERT), path(values.PARTYLINE_TLS_KEY));
  const federationCa = path(values.PARTYLINE_FEDERATION_CA);
  const httpPort = values.PARTYLINE_HTTP_PORT;
  const httpsPort = tls === null ? null : values.PARTYLINE_HTTPS_PORT;
  if (tls === null && named['PARTYLINE_HTTPS_PORT'] !== undefined && values.PARTYLINE_HTTPS_PORT !== null) {
    throw new SettingsError('PARTYLINE_HTTPS_PORT', 'needs a certificate: PARTYLINE_TLS_CERT and PARTYLINE_TLS_KEY');
  }
  if ((values.PARTYLINE_TURN_URIS.length > 0) !== (values.PARTYLINE_TURN_SECRET !== undefined)) {
    throw new SettingsError('PARTYLINE_TURN_URIS', 'and PARTYLINE_TURN_SECRET are only of use together');
  }
  if (httpPort === null && httpsPort === null) throw new SettingsError('PARTYLINE_HTTP_PORT', 'is off and no TLS listener is set up, so nobody could connect');
  if (httpPort === httpsPort && httpPort !== 0) throw new SettingsError('PARTYLINE_HTTPS_PORT', 'is the same as PARTYLINE_HTTP_PORT');
  return Object.freeze({
    serverName: values.PARTYLINE_SERVER_NAME,
    dataDir: resolve(cwd, values.PARTYLINE_DATA_DIR),
    bind: Object.freeze(values.PARTYLINE_BIND),
    httpPort,
    httpsPort,
    tls,
    databaseUrl: values.DATABASE_URL ?? null,
    publicUrl: values.PARTYLINE_PUBLIC_URL ?? (httpPort !== null ? `http://localhost:${httpPort}` : `https://localhost:${httpsPort}`),
    registration: values.PARTYLINE_REGISTRATION,
    registrationSecret: values.PARTYLINE_REGISTRATION_SECRET ?? null,
    defaultRoomVersion: values.PARTYLINE_DEFAULT_ROOM_VERSION ?? '12',
    defaultRoomVersionIsSet: values.PARTYLINE_DEFAULT_ROOM_VERSION !== undefined,
    turnUris: Object.freeze(values.PARTYLINE_TURN_URIS),
    turnSecret: values.PARTYLINE_TURN_SECRET ?? null,
    livekitUrl: values.PARTYLINE_LIVEKIT_URL ?? null,
    contact: values.PARTYLINE_CONTACT ?? null,
    rateLimits: values.PARTYLINE_RATE_LIMITS,
    notaries: Object.freeze(values.PARTYLINE_NOTARIES),
    mediaPlace: values.PARTYLINE_MEDIA_STORE,
    maxUploadBytes: values.PARTYLINE_MAX_UPLOAD,
    mediaQuotaBytes: values.PARTYLINE_MEDIA_QUOTA,
    mediaCacheBytes: values.PARTYLINE_MEDIA_CACHE,
    openMedia: values.PARTYLINE_OPEN_MEDIA,
    urlPreviews: values.PARTYLINE_URL_PREVIEWS,
    retention: Object.freeze({ lifetime: values.PARTYLINE_RETENTION, limits: values.PARTYLINE_RETENTION_LIMITS }),
    searchLanguage: values.PARTYLINE_SEARCH_LANGUAGE,
    pushBadge: values.PARTYLINE_PUSH_BADGE,
    presence: values.PARTYLINE_PRESENCE,
    logLevel: values.PARTYLINE_LOG_LEVEL,
    federationCa: federationCa === null ? null : readCertificates('PARTYLINE_FEDERATION_CA', federationCa),
    allowPrivateAddresses: values.PARTYLINE_ALLOW_PRIVATE_ADDRESSES,
    passwordCost: values.PARTYLINE_PASSWORD_COST,
  });
}

/** The injectable configuration: the settings with the database that is to be used. */
export function completeConfig(settings: Settings, databaseUrl: string, databaseFolder: string | null = null): Config {
  return Object.freeze(Object.assign(new Config(), settings, { databaseUrl, databaseFolder }));
}

/** @throws SettingsError for a name that looks like a setting and is none: it was meant to change something */
function settingsOfEnvironment(env: Environment): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || value === '') continue;
    if (settingNames.includes(name)) found[name] = value;
    else if (name.startsWith(PREFIX) && !name.startsWith(TEST_PREFIX)) {
      const meant = nearest(name, settingNames);
      throw new SettingsError(name, `is no setting of Partyline${meant === undefined ? '; "partyline --help" lists them' : `; is ${meant} meant?`}`);
    }
  }
  return found;
}
