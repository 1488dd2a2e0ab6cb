import { readAppToken, writeAppToken } from './app-token.js';

describe('app token', () => {
  it.each([
    { serverName: 'a.example:8448', anchor: '12', token: 's1_2~3~4' },
    { serverName: '[::1]:8448', anchor: '$abc-_:a', token: '' },
    { serverName: 'a', anchor: '', token: 'line\nbreak' },
  ])('survives writing and reading: %p', (token) => {
    expect(readAppToken(writeAppToken(token))).toEqual(token);
  });

  it.each([null, '', 's72594_4483', 'm1~2~3', 'pl1~a'])('does not take %p for its own', (token) => {
    expect(readAppToken(token)).toBeUndefined();
  });
});
