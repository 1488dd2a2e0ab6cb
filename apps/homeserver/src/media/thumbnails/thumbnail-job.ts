/** What the process that makes thumbnails is told. */
export interface ThumbnailJob {
  /** Paths of files. */
  readonly input: string;
  /** None where only the size is wanted. */
  readonly output: string | null;
  readonly width: number;
  readonly height: number;
  readonly crop: boolean;
  /** Moving, if the picture is. */
  readonly animated: boolean;
}

export type ThumbnailType = 'jpeg' | 'png' | 'webp';

/** What it answers: the type of what it made, and the size of what that was made of. */
export type ThumbnailResult = { readonly type: ThumbnailType | null; readonly width: number; readonly height: number } | { readonly problem: 'too large' | 'no picture' };
