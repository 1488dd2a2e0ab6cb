import type { SupportContact } from './setting-values.js';
import type { BucketPlace } from './media-place.js';
import type { LogLevel } from '../observability/log.js';

/**
 * The settings of one server, validated and frozen (see load-config.ts). It is a class so that it can be injected by its
 * own type; nothing else reads the environment.
 */
export class Config {
  /** Domain part of this server's names, e.g. `example.org` or `localhost:8448`. */
  readonly serverName!: string;
  /** Folder of signing keys, the private database cluster and media. */
  readonly dataDir!: string;
  /** Addresses to listen on. */
  readonly bind!: readonly string[];
  /** Port of the plain HTTP listener; 0 takes a free one; null opens none. */
  readonly httpPort!: number | null;
  /** Port of the TLS listener; null opens none. */
  readonly httpsPort!: number | null;
  readonly tls!: { readonly cert: string; readonly key: string } | null;
  /** PostgreSQL connection string, of the operator's or of the private cluster. */
  readonly databaseUrl!: string;
  /** Folder of the private cluster; null where the operator named a database. */
  readonly databaseFolder!: string | null;
  /** Base URL that clients use, without trailing slash. */
  readonly publicUrl!: string;
  readonly registration!: 'open' | 'token' | 'closed';
  /** Shared secret of `/_synapse/admin/v1/register`; null disables the route. */
  readonly registrationSecret!: string | null;
  /** Room version of new rooms when neither the request nor the invitees say otherwise. */
  readonly defaultRoomVersion!: string;
  /** True when the operator set the default room version himself: then it is used for every new room. */
  readonly defaultRoomVersionIsSet!: boolean;
  /** TURN servers of calls, e.g. `turn:turn.example.org:3478?transport=udp`; none without the secret that they share with this server. */
  readonly turnUris!: readonly string[];
  readonly turnSecret!: string | null;
  /** Where apps get at LiveKit for calls of many (`lk-jwt-service`); null for none. */
  readonly livekitUrl!: string | null;
  /** Who answers for this server, shown in `/.well-known/matrix/support`: a user id, an e-mail address or a page. */
  readonly contact!: SupportContact | null;
  readonly rateLimits!: boolean;
  /** Servers that are asked for the keys of a server that does not answer and was never met here. */
  readonly notaries!: readonly string[];
  /** The bucket where files are; null for the data folder. */
  readonly mediaPlace!: BucketPlace | null;
  /** Largest file that is taken, of accounts here and of other servers. */
  readonly maxUploadBytes!: number;
  /** What all files of one account may take. */
  readonly mediaQuotaBytes!: number;
  /** What files of other servers may take. */
  readonly mediaCacheBytes!: number;
  /** How long messages of rooms are kept that do not say so themselves, and between which times a room may choose; milliseconds, null for ever and for any. */
  readonly retention!: { readonly lifetime: number | null; readonly limits: readonly [least: number, most: number] | null };
  /** Language of the search in messages: a text search configuration of PostgreSQL. */
  readonly searchLanguage!: string;
  /** Whether the server looks at what people link to. */
  readonly urlPreviews!: boolean;
  /** What the number on an app's icon counts: rooms with something unread, or messages. */
  readonly pushBadge!: 'rooms' | 'messages';
  /** Whether people see who is online. */
  readonly presence!: boolean;
  /** Lets whoever has an address of media read it, without a token. */
  readonly openMedia!: boolean;
  /** What the log holds at the start; it can be changed while the server runs. */
  readonly logLevel!: LogLevel;
  /** PEM text of additional certificate authorities trusted for federation; null for none. */
  readonly federationCa!: string | null;
  /** Lets outgoing requests reach loopback and private addresses. */
  readonly allowPrivateAddresses!: boolean;
  /** argon2id cost; tests use the cheap one. */
  readonly passwordCost!: 'normal' | 'cheap';
}
