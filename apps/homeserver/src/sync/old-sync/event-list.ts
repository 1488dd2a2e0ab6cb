import type { JsonObject } from '#federation';

/** What `GET /events` is asked for. */
export interface EventListQuery {
  /** Token of the answer before; without it only what comes from now on is told. */
  readonly from?: string | undefined;
  readonly timeoutMs: number;
  /** A room to watch without being in it. */
  readonly roomId?: string | undefined;
}

export interface EventList {
  readonly start: string;
  readonly end: string;
  readonly chunk: readonly JsonObject[];
}
