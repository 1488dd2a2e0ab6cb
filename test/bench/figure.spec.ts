import { figure } from './figure.ts';

describe('figure', () => {
  it.each([
    [1234.5, '1235'], [123.4, '123'], [12.34, '12.3'], [1.234, '1.23'], [0.1234, '0.123'], [0.00001, '0.000'], [0, '0'],
    [Number.NaN, '-'], [null, '-'],
  ])('writes %p as %s', (value, text) => {
    expect(figure(value)).toBe(text);
  });
});
