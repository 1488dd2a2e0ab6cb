import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { Config } from './config.js';
import { SettingsError } from './settings-error.js';

/** Everything of `Config` but the database, which may have to be started first. */
export type Settings = Omit<Config, 'databaseUrl' | 'databaseFolder'> & { readonly databaseUrl: string | null };

type Environment = Readonly<Record<string, string | undefined>>;

/** Name of the settings file: in the working folder, else in the data folder. */
const SETTINGS_FILE = 'partyline.yaml';

const text = z.string().trim().min(1);
const port = z
  .string()
  .regex(/^(\d{1,5}|off)$/, 'expected a port number, or "off"')
  .transform((value) => (value === 'off' ? null : Number(value)))
  .refine((value) => value === null || value <= 65_535, 'expected a port number up to 65535');
const flag = z
  .enum(['on', 'off', 'true', 'false', '1', '0', 'yes', 'no'], 'expected "on" or "off"')
  .transform((value) => ['on', 'true', '1', 'yes'].includes(value));
const list = z.string().transform((value) => value.split(',').map((item) => item.trim()).filter((item) => item !== ''));
const serverName = z
  .string()
  .max(230)
  .regex(/^(\[[0-9a-fA-F:.]+\]|[0-9A-Za-z.-]+)(:\d{1,5})?$/, 'expected a host name, optionally with :port');

const schema = z.object({
  PARTYLINE_SERVER_NAME: serverName.default('localhost'),
  PARTYLINE_DATA_DIR: text.default('data'),
  PARTYLINE_BIND: list.default(['127.0.0.1', '::1']),
  PARTYLINE_HTTP_PORT: port.default(8008),
  PARTYLINE_HTTPS_PORT: port.default(8448),
  PARTYLINE_TLS_CERT: text.optional(),
  PARTYLINE_TLS_KEY: text.optional(),
  DATABASE_URL: z.string().regex(/^postgres(ql)?:\/\//, 'expected postgresql://user:password@host/database').optional(),
  PARTYLINE_PUBLIC_URL: z.url({ protocol: /^https?$/, error: 'expected an http(s) URL' }).optional(),
  PARTYLINE_REGISTRATION: z.enum(['open', 'token', 'closed'], 'expected "open", "token" or "closed"').default('closed'),
  PARTYLINE_REGISTRATION_SECRET: text.optional(),
  PARTYLINE_DEFAULT_ROOM_VERSION: text.optional(),
  PARTYLINE_RATE_LIMITS: flag.default(true),
  PARTYLINE_NOTARIES: list.pipe(z.array(serverName).max(10)).default([]),
  PARTYLINE_FEDERATION_CA: text.optional(),
  PARTYLINE_ALLOW_PRIVATE_ADDRESSES: flag.default(false),
  PARTYLINE_APPSERVICES: z
    .string()
    .transform((value) => value.split(/[,:]/).map((item) => item.trim()).filter((item) => item !== ''))
    .default([]),
  PARTYLINE_PASSWORD_COST: z.enum(['normal', 'cheap'], 'expected "normal" or "cheap"').default('normal'),
});

/**
 * Reads the settings of the environment and, for those that it does not name, of `partyline.yaml` (the same names, or in
 * lower case without the prefix: `server_name: example.org`). An empty variable counts as not set.
 *
 * @param cwd what relative paths start from
 * @throws SettingsError that names the first wrong setting
 */
export function loadConfig(env: Environment, cwd: string): Settings {
  const named = { ...settingsOfFile(env, cwd), ...definedSettings(env) };
  const parsed = schema.safeParse(named);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new SettingsError(String(issue.path[0]), issue.message);
  }
  const values = parsed.data;
  const path = (value: string): string => resolve(cwd, value);
  const pem = (setting: 'PARTYLINE_TLS_CERT' | 'PARTYLINE_TLS_KEY' | 'PARTYLINE_FEDERATION_CA'): string | null => {
    const file = values[setting];
    return file === undefined ? null : readPem(setting, path(file));
  };
  const cert = pem('PARTYLINE_TLS_CERT');
  const key = pem('PARTYLINE_TLS_KEY');
  if (cert !== null && key === null) throw new SettingsError('PARTYLINE_TLS_KEY', 'is needed with PARTYLINE_TLS_CERT');
  if (key !== null && cert === null) throw new SettingsError('PARTYLINE_TLS_CERT', 'is needed with PARTYLINE_TLS_KEY');
  const tls = cert !== null && key !== null ? Object.freeze({ cert, key }) : null;
  const httpsPort = tls === null ? null : values.PARTYLINE_HTTPS_PORT;
  if (values.PARTYLINE_HTTP_PORT === null && httpsPort === null) {
    throw new SettingsError('PARTYLINE_HTTP_PORT', 'is off and no TLS listener is set up, so nobody could connect');
  }
  return Object.freeze({
    serverName: values.PARTYLINE_SERVER_NAME,
    dataDir: path(values.PARTYLINE_DATA_DIR),
    bind: Object.freeze(values.PARTYLINE_BIND),
    httpPort: values.PARTYLINE_HTTP_PORT,
    httpsPort,
    tls,
    databaseUrl: values.DATABASE_URL ?? null,
    publicUrl: publicUrl(values.PARTYLINE_PUBLIC_URL, values.PARTYLINE_HTTP_PORT, httpsPort),
    registration: values.PARTYLINE_REGISTRATION,
    registrationSecret: values.PARTYLINE_REGISTRATION_SECRET ?? null,
    defaultRoomVersion: values.PARTYLINE_DEFAULT_ROOM_VERSION ?? '12',
    defaultRoomVersionIsSet: values.PARTYLINE_DEFAULT_ROOM_VERSION !== undefined,
    rateLimits: values.PARTYLINE_RATE_LIMITS,
    notaries: Object.freeze(values.PARTYLINE_NOTARIES),
    federationCa: pem('PARTYLINE_FEDERATION_CA'),
    allowPrivateAddresses: values.PARTYLINE_ALLOW_PRIVATE_ADDRESSES,
    appservices: Object.freeze(values.PARTYLINE_APPSERVICES.map(path)),
    passwordCost: values.PARTYLINE_PASSWORD_COST,
  });
}

/** The injectable configuration: the settings with the database that is to be used. */
export function completeConfig(settings: Settings, databaseUrl: string, databaseFolder: string | null = null): Config {
  return Object.freeze(Object.assign(new Config(), settings, { databaseUrl, databaseFolder }));
}

function publicUrl(set: string | undefined, httpPort: number | null, httpsPort: number | null): string {
  if (set !== undefined) return set.replace(/\/+$/, '');
  return httpPort !== null ? `http://localhost:${httpPort}` : `https://localhost:${httpsPort}`;
}

function readPem(setting: string, file: string): string {
  let content: string;
  try {
    content = readFileSync(file, 'utf8');
  } catch (error) {
    throw new SettingsError(setting, `cannot read ${file} (${(error as NodeJS.ErrnoException).code})`);
  }
  if (!content.includes('-----BEGIN ')) throw new SettingsError(setting, `${file} is no PEM file`);
  return content;
}

function definedSettings(env: Environment): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of Object.keys(schema.shape)) {
    const value = env[name];
    if (value !== undefined && value !== '') found[name] = value;
  }
  return found;
}

function settingsOfFile(env: Environment, cwd: string): Record<string, string> {
  const places = [cwd, resolve(cwd, env['PARTYLINE_DATA_DIR'] || 'data')];
  for (const place of places) {
    const file = resolve(place, SETTINGS_FILE);
    let content: string;
    try {
      content = readFileSync(file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      throw new SettingsError(file, `cannot be read (${(error as NodeJS.ErrnoException).code})`);
    }
    return settingsOfYaml(file, content);
  }
  return {};
}

function settingsOfYaml(file: string, content: string): Record<string, string> {
  let document: unknown;
  try {
    document = parseYaml(content);
  } catch (error) {
    throw new SettingsError(file, `is no YAML: ${(error as Error).message.split('\n')[0]}`);
  }
  if (document === null || document === undefined) return {};
  if (typeof document !== 'object' || Array.isArray(document)) throw new SettingsError(file, 'expected "name: value" lines');
  const found: Record<string, string> = {};
  for (const [key, value] of Object.entries(document)) {
    const upper = key.toUpperCase();
    const name = upper in schema.shape ? upper : `PARTYLINE_${upper}`;
    if (!(name in schema.shape)) throw new SettingsError(`${key} in ${file}`, 'is no setting of Partyline');
    if (Array.isArray(value)) found[name] = value.join(',');
    else if (['string', 'number', 'boolean'].includes(typeof value)) found[name] = String(value);
    else throw new SettingsError(`${key} in ${file}`, 'expected a text, a number, true or false, or a list');
    // Paths in the file are meant relative to the file.
    if (/_(DIR|CERT|KEY|CA)$/.test(name)) found[name] = resolve(dirname(file), found[name]);
  }
  return found;
}
