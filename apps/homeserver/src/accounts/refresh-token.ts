/**
 * The form of a refresh token: `plr_<line>.<place>.<secret>`. All tokens of a session share the line, which nobody else knows; the place
 * counts up, so that one that was spent is known without being kept.
 */
const FORM = /^plr_([A-Za-z0-9_-]{22})\.(\d{1,9})\.[A-Za-z0-9_-]{43}$/;

export interface RefreshPlace {
  readonly line: string;
  readonly place: number;
}

/** Undefined for tokens of before, and for what is none. */
export function placeOf(refreshToken: string): RefreshPlace | undefined {
  const [, line, place] = FORM.exec(refreshToken) ?? [];
  return line === undefined ? undefined : { line, place: Number(place) };
}

/** @param before the token that it takes the place of; null for the first of a session */
export function newRefreshToken(before: string | null, random: (bytes: number) => string): string {
  const held = before === null ? undefined : placeOf(before);
  return `plr_${held?.line ?? random(16)}.${held ? held.place + 1 : 0}.${random(32)}`;
}
