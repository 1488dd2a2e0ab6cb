// A process of its own: a picture that makes the decoder hang or fall takes nothing with it, and its memory goes with it when there is
// nothing more to do. It takes one job after the other from its parent. It runs from the sources as well: types only, nothing to compile.
import { setPriority } from 'node:os';
import sharp from 'sharp';
import type { ThumbnailJob, ThumbnailResult } from './thumbnail-job.js';

/** Pixels of a picture, of all its frames together: 64 million. Known from its head, before anything is decoded. */
const MAX_PIXELS = 2 ** 26;
const QUALITY = 80;

setPriority(10);
sharp.cache(false);
sharp.concurrency(1);
// Of the many formats that the library reads only those of photographs and the web, whatever a file pretends to be: no SVG, no PDF.
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({ operation: ['VipsForeignLoadJpeg', 'VipsForeignLoadPng', 'VipsForeignLoadWebp', 'VipsForeignLoadNsgif', 'VipsForeignLoadHeif', 'VipsForeignLoadTiff'] });

async function make({ input, output, width, height, crop, animated }: ThumbnailJob): Promise<ThumbnailResult> {
  try {
    const head = await sharp(input, { limitInputPixels: false }).metadata();
    if (head.width * (head.pageHeight ?? head.height) > MAX_PIXELS) return { problem: 'too large' };
    const size = { width: head.autoOrient.width, height: head.pageHeight ?? head.autoOrient.height };
    if (output === null) return { type: null, ...size };
    const frames = head.pages ?? 1;
    const moves = animated && frames > 1 && head.width * (head.pageHeight ?? head.height) * frames <= MAX_PIXELS;
    const picture = sharp(input, { limitInputPixels: MAX_PIXELS, sequentialRead: true, animated: moves })
      .autoOrient()
      .resize(width, height, { fit: crop ? 'cover' : 'inside', withoutEnlargement: true });
    if (moves) {
      await picture.webp({ quality: QUALITY, effort: 2 }).toFile(output);
      return { type: 'webp', ...size };
    }
    const type = head.hasAlpha ? 'png' : 'jpeg';
    await (type === 'png' ? picture.png() : picture.jpeg({ quality: QUALITY })).toFile(output);
    return { type, ...size };
  } catch (error) {
    return { problem: /pixel limit/.test(String(error)) ? 'too large' : 'no picture' };
  }
}

process.on('message', (job: ThumbnailJob) => void make(job).then((result) => process.send!(result)));
process.on('disconnect', () => process.exit());
