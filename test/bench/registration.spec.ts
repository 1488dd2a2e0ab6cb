import { registrationMac } from './registration.ts';

describe('registrationMac', () => {
  it('is HMAC-SHA1 over nonce, name, password and role with NUL between', () => {
    // printf 'thisisanonce\0pepper_roni\0pizza\0notadmin' | openssl dgst -sha1 -hmac shared_secret
    expect(registrationMac('shared_secret', 'thisisanonce', 'pepper_roni', 'pizza'))
      .toBe('cf2391885316861a8e3871bfdcd223ab3913221d');
  });
});
