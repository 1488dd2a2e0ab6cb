import { accountKey } from './account-key.js';
import type { AccountKey } from './account-key.js';
import { deviceTrust } from './device-trust.js';
import type { CrossSigningKey, DeviceKeys } from './device-trust.js';
import { signedText } from './signed-object.js';
import type { SignedObject } from './signed-object.js';

const userId = '@alice:a.example';
const master = accountKey(new Uint8Array(32).fill(1));
const selfSigning = accountKey(new Uint8Array(32).fill(2));
const deviceKey = accountKey(new Uint8Array(32).fill(3));
const other = accountKey(new Uint8Array(32).fill(9));

function signed<T extends SignedObject>(object: T, keyId: string, key: AccountKey): T {
  const mine = { ...object.signatures?.[userId], [keyId]: key.sign(signedText(object)) };
  return { ...object, signatures: { ...object.signatures, [userId]: mine } };
}
const crossKey = (key: AccountKey, usage: string): CrossSigningKey =>
  ({ user_id: userId, usage: [usage], keys: { [`ed25519:${key.publicKey}`]: key.publicKey } });
const bare: DeviceKeys = {
  user_id: userId, device_id: 'PHONE', algorithms: ['m.olm.v1.curve25519-aes-sha2'], keys: { 'ed25519:PHONE': deviceKey.publicKey },
  unsigned: { device_display_name: 'not covered' },
};
const selfSigned = signed(bare, 'ed25519:PHONE', deviceKey);
const device = signed(selfSigned, `ed25519:${selfSigning.publicKey}`, selfSigning);
const masterObject = crossKey(master, 'master');
const selfSigningObject = signed(crossKey(selfSigning, 'self_signing'), `ed25519:${master.publicKey}`, master);
const good = { userId, deviceId: 'PHONE', device, master: masterObject, selfSigning: selfSigningObject, pinnedMasterKey: master.publicKey };

describe('device trust', () => {
  it('follows the chain from the pinned master key to the device', () => {
    expect(deviceTrust(good)).toBe('cross-signed');
    expect(deviceTrust({ ...good, pinnedMasterKey: null })).toBe('cross-signed');
    expect(deviceTrust({ ...good, device: { ...device, unsigned: { device_display_name: 'changed' } } })).toBe('cross-signed');
  });

  it.each([
    ['a master key that the home record does not pin', { pinnedMasterKey: other.publicKey }],
    ['no master key', { master: undefined }],
    ['a self-signing key that the master key did not sign', { selfSigning: crossKey(selfSigning, 'self_signing') }],
    ['a self-signing key signed by somebody else', { selfSigning: signed(crossKey(selfSigning, 'self_signing'), `ed25519:${master.publicKey}`, other) }],
    ['a key made for another use', { selfSigning: signed(crossKey(selfSigning, 'user_signing'), `ed25519:${master.publicKey}`, master) }],
    ['a master key under a false name', { master: { ...masterObject, keys: { [`ed25519:${master.publicKey}`]: other.publicKey } } }],
    ['a device that is only signed by itself', { device: selfSigned }],
  ])('does not vouch for a device with %s', (_what, change) => {
    expect(deviceTrust({ ...good, ...change })).toBe('self-signed');
  });

  it.each([
    ['without a self-signature', signed(bare, `ed25519:${selfSigning.publicKey}`, selfSigning)],
    ['changed after signing', { ...device, algorithms: [] }],
    ['of another user', { ...device, user_id: '@eve:a.example' }],
    ['of another name', { ...device, device_id: 'TABLET' }],
    ['without keys', { ...device, keys: undefined as unknown as Record<string, string> }],
  ])('rejects a device %s', (_what, spoiled) => {
    expect(deviceTrust({ ...good, device: spoiled })).toBe('invalid');
  });
});
