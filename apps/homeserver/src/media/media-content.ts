import type { MediaAddress } from './media-address.js';

/** A file with what is known of it by the address under which it is asked for. */
export interface MediaContent {
  /** URL-safe Base64. */
  readonly sha256: string;
  readonly bytes: number;
  /** As whoever uploaded it says. */
  readonly contentType: string;
  /** What its first bytes show; null where they show nothing. */
  readonly sniffedType: string | null;
  readonly filename: string | null;
}

/** Of what was uploaded. */
export interface MediaLabels {
  readonly contentType: string;
  readonly filename: string | null;
}

/** Who asks for media, and how. */
export interface MediaQuery {
  readonly address: MediaAddress;
  /** Account or network address for whom others are asked. */
  readonly party: string;
  /** The account whose rooms' servers are asked where the origin is silent; undefined where nobody is logged in. */
  readonly readerId?: string | undefined;
  /** What the client says the file's hash is, as it stands beside the address in an event; undefined where it says nothing. */
  readonly sha256?: string | undefined;
  /** How long to wait for an upload that was announced. */
  readonly timeoutMs: number;
  /** Whether another server may be asked. */
  readonly allowRemote: boolean;
}
