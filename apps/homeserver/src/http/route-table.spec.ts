import { RouteTable } from './route-table.js';

describe('the route table', () => {
  const routes = new RouteTable();
  routes.add('/_matrix/client/v3/rooms/:roomId/state/:type/:key');
  routes.add('/_matrix/client/v1/register/m.login.registration_token/validity');
  routes.add('/admin/:kind(event_reports|room_reports)/:id');
  routes.add('/c/*');
  routes.add('*');

  it.each(['/_matrix/client/v3/rooms/!a:b/state/m.room.name/x', '/_matrix/client/v3/rooms/!a:b/state/m.room.name/x/', '/c/card/1', '/admin/room_reports/1'])('has %s', (path) => {
    expect(routes.has(path)).toBe(true);
  });

  it.each([
    '/',
    '/_matrix/client/v3/rooms/!a:b/state/m.room.name',
    '/_matrix/client/v3/rooms//state/a/b',
    '/admin/users/1',
    '/_matrix/client/v1/register/mXlogin.registration_token/validity',
  ])('does not have %s', (path) => {
    expect(routes.has(path)).toBe(false);
  });
});
