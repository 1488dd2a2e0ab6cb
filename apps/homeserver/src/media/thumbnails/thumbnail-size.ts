/** What a thumbnail is to be like. */
export interface ThumbnailSize {
  readonly width: number;
  readonly height: number;
  /** Filled to its edges, else as large as fits in. */
  readonly crop: boolean;
}

/** Client-server API, §Thumbnails, and some between and beyond: few, so that nobody fills the disk with sizes of his own. */
const SQUARES = [32, 96, 320, 640];
const FRAMES: readonly (readonly [number, number])[] = [[32, 32], [96, 96], [320, 240], [640, 480], [800, 600], [1600, 1200]];

/** The smallest one that is not smaller than what is asked for; else the largest. */
export function thumbnailSize({ width, height, crop }: ThumbnailSize): ThumbnailSize {
  if (crop) {
    const side = SQUARES.find((one) => one >= width && one >= height) ?? SQUARES.at(-1)!;
    return { width: side, height: side, crop };
  }
  const [w, h] = FRAMES.find((one) => one[0] >= width && one[1] >= height) ?? FRAMES.at(-1)!;
  return { width: w, height: h, crop };
}
