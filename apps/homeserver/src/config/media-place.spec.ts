import { readBucketPlace } from './media-place.js';

it.each([
  ['s3://media', { bucket: 'media', prefix: '', endpoint: null, region: 'us-east-1' }],
  ['s3://media/a/b?region=eu-central-1', { bucket: 'media', prefix: 'a/b/', endpoint: null, region: 'eu-central-1' }],
  ['s3://media/?endpoint=https://store.example.org:9000', { bucket: 'media', prefix: '', endpoint: 'https://store.example.org:9000', region: 'us-east-1' }],
  ['s3://', undefined], ['https://media', undefined], ['s3://media?endpoint=store', undefined], ['s3://media?key=secret', undefined], ['s3://Media', undefined],
])('reads %s as %j', (text, place) => {
  expect(readBucketPlace(text)).toEqual(place);
});
