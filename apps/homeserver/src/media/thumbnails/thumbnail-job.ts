/** What the process that makes thumbnails is told. */
export interface ThumbnailJob {
  /** Paths of files. */
  readonly input: string;
  readonly output: string;
  readonly width: number;
  readonly height: number;
  readonly crop: boolean;
  /** Moving, if the picture is. */
  readonly animated: boolean;
}

/** What it answers. */
export type ThumbnailResult = { readonly type: 'jpeg' | 'png' | 'webp' } | { readonly problem: 'too large' | 'no picture' };
