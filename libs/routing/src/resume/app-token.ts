const mark = 'pl1';

/** What a token that the app holds stands for: a token of one home, and the client's place when it was handed out. */
export interface AppToken {
  serverName: string;
  /** A count of sync answers for sync tokens; an event id for page tokens; empty if there is neither. */
  anchor: string;
  /** The home's own token. */
  token: string;
}

/** The form in which the app gets a token, so that one of another home is recognised. */
export function writeAppToken({ serverName, anchor, token }: AppToken): string {
  return [mark, serverName, anchor, token].join('~');
}

/** Undefined for a token that was not made here; it is then passed on unchanged. */
export function readAppToken(text: string | null): AppToken | undefined {
  // A home's token may hold tildes, the other parts cannot.
  const [, serverName, anchor, token] = /^pl1~([^~]+)~([^~]*)~(.*)$/s.exec(text ?? '') ?? [];
  return serverName === undefined || anchor === undefined || token === undefined ? undefined : { serverName, anchor, token };
}
