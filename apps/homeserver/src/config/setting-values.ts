import { isIP } from 'node:net';
import { z } from 'zod';
import { isServerName, isUserId, parseServerName, roomVersion, roomVersions } from '#federation';
import { readBucketPlace } from './media-place.js';
import { LOG_LEVELS } from '../observability/log.js';

/** Room for a localpart: a user id has at most 255 bytes. */
const MAX_SERVER_NAME_LENGTH = 230;
const MAX_SERVERS = 10;
const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/;
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Says what is wrong, or nothing. */
type Check = (value: string) => string | undefined;

const checked = (check: Check) =>
  z.string().check((context) => {
    const problem = check(context.value);
    if (problem !== undefined) context.issues.push({ code: 'custom', message: problem, input: context.value });
  });

/** A text that is not blank. */
export const text = checked((value) => (value.trim() === '' ? 'is blank' : undefined)).transform((value) => value.trim());

/** A port, or null for `off`. */
export const port = checked((value) => (/^(\d{1,5}|off)$/.test(value) && !(Number(value) > 65_535) ? undefined : 'expected a port number up to 65535, or "off"')).transform(
  (value) => (value === 'off' ? null : Number(value)),
);

export const flag = z
  .enum(['on', 'off', 'true', 'false', '1', '0', 'yes', 'no'], 'expected "on" or "off"')
  .transform((value) => ['on', 'true', '1', 'yes'].includes(value));

const UNITS = ['', 'K', 'M', 'G', 'T'];
const SIZE = /^(\d{1,12})\s*([KMGT]?)i?B?$/i;

/** Bytes, such as `100M`. */
export const size = checked((value) => {
  if (!SIZE.test(value)) return 'expected a size such as 100M or 10G';
  return Number.isSafeInteger(bytesOf(value)) ? undefined : 'is too large';
}).transform(bytesOf);

/** Where files are: null for the data folder. */
export const mediaPlace = checked((value) =>
  value.trim() === 'disk' || readBucketPlace(value) ? undefined : 'expected "disk", or s3://bucket/prefix?endpoint=https://…&region=…',
).transform((value) => readBucketPlace(value) ?? null);

/** Addresses to listen on: literal ones, as a name may mean any machine. */
export const addresses = checked((value) => {
  const items = split(value);
  if (items.length === 0) return 'names no address; "127.0.0.1,::1" is this machine alone, "0.0.0.0,::" all networks';
  const wrong = items.find((item) => item !== 'localhost' && isIP(item) === 0);
  return wrong === undefined ? undefined : `"${wrong}" is no IP address, such as 127.0.0.1 or ::`;
}).transform((value): string[] => [...new Set(split(value).flatMap((item) => (item === 'localhost' ? ['127.0.0.1', '::1'] : [item])))]);

/** Stricter than what is accepted of others: our own name has to be reachable. */
export const serverName = checked((value) => {
  if (/[A-Z]/.test(value)) return `has to be in lower case: ${value.toLowerCase()}`;
  const parsed = parseServerName(value);
  if (!parsed || value.length > MAX_SERVER_NAME_LENGTH) return 'expected a host name such as example.org, perhaps with :port';
  if (parsed.port !== undefined && (parsed.port === 0 || !value.endsWith(`:${parsed.port}`))) return 'has no port number after the colon';
  if (parsed.isIpLiteral || parsed.host.split('.').every((label) => LABEL.test(label))) return undefined;
  return `"${parsed.host}" is no host name: its parts are of letters, digits and hyphens, with no hyphen at either end`;
});

/** Names of other servers. */
export const serverNames = checked((value) => {
  const names = split(value);
  if (names.length > MAX_SERVERS) return `names more than ${MAX_SERVERS} servers`;
  const wrong = names.find((name) => !isServerName(name));
  return wrong === undefined ? undefined : `"${wrong}" is no server name, such as matrix.org`;
}).transform(split);

/** Addresses of TURN servers (RFC 7065). */
export const turnUris = checked((value) => {
  const wrong = split(value).find((uri) => !/^turns?:[^\s/?#@]+(\?transport=(udp|tcp))?$/.test(uri));
  return wrong === undefined ? undefined : `"${wrong}" is no address of a TURN server, such as turn:turn.example.org:3478?transport=udp`;
}).transform(split);

/** Any page of the web, without trailing slash. */
export const webAddress = checked((value) => (isWebAddress(value) ? undefined : 'expected an address such as https://rtc.example.org')).transform((value) =>
  value.trim().replace(/\/$/, ''),
);

/** Who answers for a server, as in `/.well-known/matrix/support`. */
export interface SupportContact {
  readonly contacts?: readonly { readonly role: 'm.role.admin'; readonly matrix_id?: string; readonly email_address?: string }[];
  readonly support_page?: string;
}

export const contact = checked((value) =>
  isWebAddress(value) || isUserId(value.trim()) || EMAIL.test(value.trim()) ? undefined : 'expected a user id, an e-mail address or the address of a page',
).transform((value): SupportContact => {
  const given = value.trim();
  if (isWebAddress(given)) return { support_page: given };
  return { contacts: [{ role: 'm.role.admin', ...(isUserId(given) ? { matrix_id: given } : { email_address: given }) }] };
});

/** Base URL without a path, without trailing slash. */
export const publicUrl = checked((value) => {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) return 'expected an address such as https://matrix.example.org';
  const isPlain = url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '' && url.password === '';
  return isPlain && !/[?#]/.test(value) ? undefined : `expected an address without anything after the host: ${url.origin}`;
}).transform((value) => new URL(value).origin);

export const databaseUrl = checked((value) =>
  /^postgres(ql)?:\/\//.test(value) && URL.canParse(value) ? undefined : 'expected postgresql://user:password@host/database (% and other signs of the password as %25 …)',
);

export const roomVersionId = checked((value) =>
  roomVersion(value.trim()) ? undefined : `is no room version that this server has: ${roomVersions.map(({ id }) => id).join(', ')}`,
).transform((value) => value.trim());

const DAY_MS = 86_400_000;
const TIME_UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: DAY_MS, w: 7 * DAY_MS, y: 365 * DAY_MS };
const TIME = /^(\d{1,5})([mhdwy])$/;

/** How long something is kept: `90d`, or `forever`; milliseconds, null for ever. */
export const lifetime = checked((value) => (value.trim() === 'forever' || TIME.test(value.trim()) ? undefined : 'expected a time such as 12h, 90d or 2y, or "forever"'))
  .transform((value) => (value.trim() === 'forever' ? null : millisecondsOf(value.trim())));

/** Between which times something may be kept: `1d-2y`, or `none`. */
export const lifetimes = checked((value) => {
  if (value.trim() === 'none') return undefined;
  const [least, most, ...more] = value.split('-').map((part) => part.trim());
  if (more.length > 0 || !TIME.test(least ?? '') || !TIME.test(most ?? '')) return 'expected two times such as 1d-2y, or "none"';
  return millisecondsOf(least!) <= millisecondsOf(most!) ? undefined : 'the first time is longer than the second';
}).transform((value): readonly [number, number] | null => {
  if (value.trim() === 'none') return null;
  const [least, most] = value.split('-').map((part) => millisecondsOf(part.trim()));
  return [least!, most!];
});

/** The languages that every PostgreSQL from 14 on knows; `simple` takes words as they are. */
const LANGUAGES = [
  'simple', 'arabic', 'armenian', 'basque', 'catalan', 'danish', 'dutch', 'english', 'finnish', 'french', 'german', 'greek', 'hindi', 'hungarian', 'indonesian',
  'irish', 'italian', 'lithuanian', 'nepali', 'norwegian', 'portuguese', 'romanian', 'russian', 'serbian', 'spanish', 'swedish', 'tamil', 'turkish', 'yiddish',
] as const;
export const searchLanguage = z.enum(LANGUAGES, `expected ${LANGUAGES.join(', ')}`);

export const logLevel = z.enum(LOG_LEVELS, `expected ${LOG_LEVELS.join(', ')}`);

function isWebAddress(value: string): boolean {
  return /^https?:\/\/[^/]/.test(value.trim()) && URL.canParse(value.trim());
}

function millisecondsOf(value: string): number {
  const [, digits, unit] = TIME.exec(value)!;
  return Number(digits) * TIME_UNITS[unit!]!;
}

function bytesOf(value: string): number {
  const [, digits, unit] = SIZE.exec(value)!;
  return Number(digits) * 1024 ** UNITS.indexOf(unit!.toUpperCase());
}

function split(value: string): string[] {
  return value.split(',').map((item) => item.trim()).filter((item) => item !== '');
}
