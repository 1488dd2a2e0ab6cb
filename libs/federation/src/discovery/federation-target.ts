/** One place to try for a server: what to connect to, what to send, what certificate to ask for. */
export interface FederationTarget {
  /** DNS name to resolve, or IP address (IPv6 without brackets). */
  readonly host: string;
  readonly port: number;
  /** The `Host` header. */
  readonly hostHeader: string;
  /** The name that the certificate must be valid for; for an IP literal that address, and then no SNI is sent. */
  readonly certificateName: string;
  readonly isIpLiteral: boolean;
}

/** Port of a server that names none. */
export const DEFAULT_FEDERATION_PORT = 8448;
