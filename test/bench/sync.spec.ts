import { isEmptySync, syncPath, uniqueInitialSyncPath } from './sync.ts';

describe('isEmptySync', () => {
  it('takes empty and absent sections alike', () => {
    expect(isEmptySync({ next_batch: 's1' })).toBe(true);
    expect(isEmptySync({ next_batch: 's1', rooms: { join: {}, invite: {} }, to_device: { events: [] } })).toBe(true);
  });

  it.each([
    { rooms: { join: { '!r:x': {} } } }, { rooms: { leave: { '!r:x': {} } } }, { to_device: { events: [{}] } },
    { presence: { events: [{}] } }, { account_data: { events: [{}] } },
  ])('sees news in %j', (part) => {
    expect(isEmptySync({ next_batch: 's1', ...part })).toBe(false);
  });
});

describe('syncPath', () => {
  it('escapes the token', () => {
    expect(syncPath('s1&x=2', 0)).toContain('&since=s1%26x%3D2');
    expect(syncPath(null, 0)).not.toContain('since');
  });

  it('never asks the same first sync twice', () => {
    expect(uniqueInitialSyncPath(1)).not.toBe(uniqueInitialSyncPath(2));
    expect(uniqueInitialSyncPath(1)).not.toContain('since');
  });
});
