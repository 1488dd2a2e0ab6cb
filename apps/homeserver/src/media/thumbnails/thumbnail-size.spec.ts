import fc from 'fast-check';
import { thumbnailSize } from './thumbnail-size.js';

it('is not smaller than what is asked for, up to the largest', () => {
  fc.assert(fc.property(fc.nat(1_200), fc.nat(1_200), (width, height) => {
    const frame = thumbnailSize({ width, height, crop: false });
    expect(frame.width).toBeGreaterThanOrEqual(width);
    expect(frame.height).toBeGreaterThanOrEqual(height);
  }));
});

it.each([[32, 32], [96, 96], [320, 240], [640, 480], [800, 600]])('has the sizes of the specification: %i × %i', (width, height) => {
  expect(thumbnailSize({ width, height, crop: false })).toEqual({ width, height, crop: false });
});
