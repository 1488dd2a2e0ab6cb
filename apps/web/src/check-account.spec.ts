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
    ['alice', '01234567', {}],
    ['a.b_c=d-e/f+0', '01234567', {}],
    ['', '01234567', { name: 'nameMissing' }],
    ['with space', '01234567', { name: 'nameInvalid' }],
    ['al:ice', '01234567', { name: 'nameInvalid' }],
    ['älice', '01234567', { name: 'nameInvalid' }],
    ['alice', '0123456', { password: 'passwordShort' }],
    ['alice', '🐙🐙🐙🐙🐙', { password: 'passwordShort' }],
    ['', '', { name: 'nameMissing', password: 'passwordShort' }],
  ])('%j with password %j has the problems %j', (name, password, problems) => {
    expect(checkAccount(name, password)).toEqual(problems);
  });
});
