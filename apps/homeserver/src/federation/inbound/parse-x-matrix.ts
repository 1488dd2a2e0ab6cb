export interface XMatrix {
  readonly origin: string;
  /** Absent from servers older than v1.3. */
  readonly destination?: string;
  readonly key: string;
  readonly sig: string;
}

// name = token or quoted-string (RFC 9110 §11.4). Old servers leave colons and Base64 unquoted, so a bare value is anything
// up to the next comma or white space.
const PARAMETER = /[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^",\s]*))[ \t]*(?:,|$)/y;
const MAX_LENGTH = 4_096;

/** The parameters of an `X-Matrix` Authorization header; undefined when it is none or lacks one that is needed. */
export function parseXMatrix(header: string | undefined): XMatrix | undefined {
  if (header === undefined || header.length > MAX_LENGTH) return undefined;
  const scheme = /^X-Matrix[ \t]+/i.exec(header);
  if (!scheme) return undefined;
  const parameters = new Map<string, string>();
  PARAMETER.lastIndex = scheme[0].length;
  while (PARAMETER.lastIndex < header.length) {
    const match = PARAMETER.exec(header);
    if (!match) return undefined;
    const name = match[1]!.toLowerCase();
    // Two values for one name: whoever checks the other one would be fooled.
    if (parameters.has(name)) return undefined;
    parameters.set(name, match[2]?.replace(/\\(.)/g, '$1') ?? match[3]!);
  }
  const origin = parameters.get('origin');
  const key = parameters.get('key');
  const sig = parameters.get('sig');
  const destination = parameters.get('destination');
  if (!origin || !key || !sig) return undefined;
  return { origin, key, sig, ...(destination !== undefined && { destination }) };
}
