import { checkAccount, normalName } from './check-account.js';

describe('the name that a person types', () => {
  it.each([
    ['Alice', 'alice'],
    ['  alice ', 'alice'],
    ['@alice:example.org', 'alice'],
    ['@Alice', 'alice'],
    ['al:ice', 'al:ice'],
    ['', ''],
  ])('%j becomes %j', (typed, name) => {
    expect(normalName(typed)).toBe(name);
  });
});

describe('an account', () => {
  it.each([
    ['alice', '0123456789', {}],
    ['a.b_c=d-e/f+0', '0123456789', {}],
    ['', '0123456789', { name: 'nameMissing' }],
    ['with space', '0123456789', { name: 'nameInvalid' }],
    ['al:ice', '0123456789', { name: 'nameInvalid' }],
    ['älice', '0123456789', { name: 'nameInvalid' }],
    ['alice', '012345678', { password: 'passwordShort' }],
    ['alice', '🐙🐙🐙🐙🐙', { password: 'passwordShort' }],
    ['', '', { name: 'nameMissing', password: 'passwordShort' }],
  ])('%j with password %j has the problems %j', (name, password, problems) => {
    expect(checkAccount(name, password)).toEqual(problems);
  });
});
