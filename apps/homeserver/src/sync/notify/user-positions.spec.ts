import { UserPositions } from './user-positions.js';

const at = (events: number, typing = 10) => ({ events, account: 10, receipts: 10, to_device: 10, device_lists: 10, typing, presence: 10 });

describe('UserPositions', () => {
  it('knows of users that it has not seen only that nothing came after the start', () => {
    const positions = new UserPositions(at(10));
    expect(positions.ahead('@a:x', at(10))).toEqual([]);
    expect(positions.ahead('@a:x', at(9))).toEqual(['events']);
  });

  it('tells which streams are ahead', () => {
    const positions = new UserPositions(at(10));
    positions.advance('@a:x', 'events', 12);
    positions.advance('@a:x', 'typing', 15);
    positions.advance('@a:x', 'typing', 14);
    expect(positions.ahead('@a:x', at(11, 14))).toEqual(['events', 'typing']);
    expect(positions.ahead('@a:x', at(12, 15))).toEqual([]);
    expect(positions.ahead('@b:x', at(11))).toEqual([]);
  });
});
