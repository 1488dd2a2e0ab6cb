/** A bucket of S3, or of what speaks like it. */
export interface BucketPlace {
  readonly bucket: string;
  /** What all keys begin with; empty, or ending at a slash. */
  readonly prefix: string;
  /** Null for Amazon's own. */
  readonly endpoint: string | null;
  readonly region: string;
}

const ADDRESS = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([\w./-]*))?(?:\?(.*))?$/;

/** Reads `s3://bucket/prefix?endpoint=https://…&region=…`; undefined where it is none. */
export function readBucketPlace(text: string): BucketPlace | undefined {
  const [, bucket, path = '', query] = ADDRESS.exec(text.trim()) ?? [];
  if (bucket === undefined) return undefined;
  const parameters = new URLSearchParams(query);
  if ([...parameters.keys()].some((name) => name !== 'endpoint' && name !== 'region')) return undefined;
  const endpoint = parameters.get('endpoint');
  if (endpoint !== null && !/^https?:\/\/[^/]/.test(URL.parse(endpoint)?.href ?? '')) return undefined;
  return { bucket, prefix: path === '' || path.endsWith('/') ? path : `${path}/`, endpoint, region: parameters.get('region') ?? 'us-east-1' };
}
