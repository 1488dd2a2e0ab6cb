import { isEventId, isRoomAlias, isRoomId, isServerName, isUserId, localpartOf, parseServerName, serverNameOf } from './index.js';

describe('server names', () => {
  it.each([
    ['matrix.org', { host: 'matrix.org', isIpLiteral: false }],
    ['matrix.org:8888', { host: 'matrix.org', port: 8888, isIpLiteral: false }],
    ['1.2.3.4', { host: '1.2.3.4', isIpLiteral: true }],
    ['1.2.3.4:1234', { host: '1.2.3.4', port: 1234, isIpLiteral: true }],
    ['[1234:5678::abcd]', { host: '1234:5678::abcd', isIpLiteral: true }],
    ['[1234:5678::abcd]:5678', { host: '1234:5678::abcd', port: 5678, isIpLiteral: true }],
    ['[::]', { host: '::', isIpLiteral: true }],
    ['[::ffff:1.2.3.4]', { host: '::ffff:1.2.3.4', isIpLiteral: true }],
    ['[1:2:3:4:5:6:7:8]', { host: '1:2:3:4:5:6:7:8', isIpLiteral: true }],
    ['[1:2:3:4:5:6:1.2.3.4]:1', { host: '1:2:3:4:5:6:1.2.3.4', port: 1, isIpLiteral: true }],
    ['Example.ORG', { host: 'Example.ORG', isIpLiteral: false }],
    ['1.2.3.400', { host: '1.2.3.400', isIpLiteral: false }],
    ['localhost', { host: 'localhost', isIpLiteral: false }],
    ['a:65535', { host: 'a', port: 65535, isIpLiteral: false }],
  ])('parses %s', (text, parsed) => {
    expect(parseServerName(text)).toEqual(parsed);
  });

  it.each([
    '', ':', ':80', 'a:', 'a:x', 'a:123456', 'a:65536', 'a b', 'a_b', 'a/b', 'ä.de', '[', '[]', '[::1', '::1', '[:::]', '[1:2:3]',
    '[1:2:3:4:5:6:7:8:9]', '[1:2:3:4:5:6:7::8]', '[::1::]', '[12345::]', '[1.2.3.4]', '[1.2.3.4::]', '[::1.2.3.400]', '[::g]',
    'user@host', 'a\n', 'x'.repeat(256),
  ])('refuses %j', (text) => {
    expect(isServerName(text)).toBe(false);
  });
});

describe('user ids', () => {
  it('has a strict grammar for new ones', () => {
    for (const id of ['@a:b', '@a-z.0_9=/+:example.org:8448', '@x:[::1]:80']) expect(isUserId(id)).toBe(true);
    for (const id of ['@A:b', '@:b', '@ä:b', '@a b:b', '@a', 'a:b', '!a:b', '@a:', '@a:b:c', '@a:b_c', '', 5, null]) {
      expect(isUserId(id)).toBe(false);
    }
  });

  it('takes historical ones when asked', () => {
    for (const id of ['@A:b', '@:b', '@Ü b\u0001!:b']) expect(isUserId(id, { historical: true })).toBe(true);
    for (const id of ['@a\u0000:b', '@\ud800:b', '@a', '@a:b c']) expect(isUserId(id, { historical: true })).toBe(false);
  });

  it('has at most 255 bytes', () => {
    expect(isUserId(`@${'a'.repeat(252)}:b`)).toBe(true);
    expect(isUserId(`@${'a'.repeat(253)}:b`)).toBe(false);
    expect(isUserId(`@${'ä'.repeat(126)}:b`, { historical: true })).toBe(true);
    expect(isUserId(`@${'ä'.repeat(127)}:b`, { historical: true })).toBe(false);
  });
});

describe('room ids, event ids and aliases', () => {
  const hash = 'Nhcu5BS-UMnFX7hBVfVSoXiD7OgH6iRT-xyIuqDnpYQ';

  it('knows room ids with and without a server', () => {
    for (const id of ['!a:b', '!A b/ü:b:80', `!${hash}`]) expect(isRoomId(id)).toBe(true);
    for (const id of ['!a', '!:b', `!${hash}x`, `!${hash.slice(1)}/`, `#${hash}`, '!', '!a\u0000:b']) expect(isRoomId(id)).toBe(false);
  });

  it('knows event ids of all room versions', () => {
    for (const id of ['$a:b', `$${hash}`, `$${hash.replaceAll('-', '/')}`]) expect(isEventId(id)).toBe(true);
    for (const id of ['$a', hash, `$${hash}=`, '$']) expect(isEventId(id)).toBe(false);
  });

  it('knows aliases', () => {
    for (const alias of ['#a:b', '#A ü!#:b']) expect(isRoomAlias(alias)).toBe(true);
    for (const alias of ['#:b', '#a', 'a:b', '#a:', `#${hash}`]) expect(isRoomAlias(alias)).toBe(false);
  });

  it('splits at the first colon', () => {
    expect(serverNameOf('@a:[::1]:80')).toBe('[::1]:80');
    expect(localpartOf('@a:b:80')).toBe('a');
    expect(serverNameOf(`!${hash}`)).toBe('');
    expect(localpartOf(`!${hash}`)).toBe(hash);
  });
});
