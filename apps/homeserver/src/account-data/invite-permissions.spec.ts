import { InvitePermissions, type InviteDecision } from './invite-permissions.js';

const decide = (inviter: string, ...contents: object[]): InviteDecision => new InvitePermissions(contents.map((content) => JSON.stringify(content))).of(inviter);

describe('InvitePermissions', () => {
  it.each<[string, object, InviteDecision]>([
    ['nothing', {}, 'allow'],
    ['a person', { blocked_users: ['@eve:bad.org'] }, 'block'],
    ['another person', { blocked_users: ['@adam:bad.org'] }, 'allow'],
    ['a pattern', { ignored_users: ['@e?e:*'] }, 'ignore'],
    ['a server', { blocked_servers: ['bad.org'] }, 'block'],
    ['a pattern of servers', { ignored_servers: ['*.org'] }, 'ignore'],
    ['a person of a blocked server', { allowed_users: ['@eve:bad.org'], blocked_servers: ['*'] }, 'allow'],
    ['a person of an allowed server', { blocked_users: ['@eve:bad.org'], allowed_servers: ['bad.org'] }, 'block'],
    ['who is in all lists', { allowed_users: ['@eve:bad.org'], ignored_users: ['@eve:bad.org'], blocked_users: ['@eve:bad.org'] }, 'allow'],
    ['ignored and blocked', { ignored_users: ['@eve:bad.org'], blocked_users: ['@eve:bad.org'] }, 'ignore'],
    ['everybody', { default_action: 'block' }, 'block'],
    ['everybody else', { default_action: 'block', allowed_servers: ['bad.org'] }, 'allow'],
    ['a value that nobody knows', { default_action: 'maybe' }, 'allow'],
    ['what is no list', { blocked_users: null, ignored_users: {}, blocked_servers: [7, null, '@'] }, 'allow'],
  ])('%s', (_what, content, decision) => {
    expect(decide('@eve:bad.org', content)).toBe(decision);
  });

  it('takes a server without regard to its port, and all contents together', () => {
    expect(decide('@eve:bad.org:8448', { blocked_servers: ['bad.org'] })).toBe('block');
    expect(decide('@eve:bad.org:8448', { blocked_servers: ['bad.org:8448'] })).toBe('block');
    expect(decide('@eve:bad.org', { default_action: 'block' }, { allowed_users: ['@eve:*'] })).toBe('allow');
  });

  it('looks at so many patterns only', () => {
    const patterns = Array.from({ length: 1_000 }, (_, i) => `*a*b*${i}`);
    expect(decide('@eve:bad.org', { blocked_users: [...patterns, '@*'] })).toBe('allow');
    expect(decide('@eve:bad.org', { blocked_users: [...patterns, '@eve:bad.org'] })).toBe('block');
  });
});
