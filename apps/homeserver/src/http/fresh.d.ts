/** The package `fresh`, which has no types of its own. */
declare module 'fresh' {
  /** Whether who sends these headers of a request has the answer with those already (RFC 9110 13.1). */
  export default function fresh(request: Readonly<Record<string, string | undefined>>, answer: Readonly<Record<string, string>>): boolean;
}
