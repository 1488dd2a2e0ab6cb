import {
  CryptoEvent, VerificationPhase, VerificationRequestEvent, VerifierEvent, type VerificationRequest, type Verifier,
} from 'matrix-js-sdk/lib/crypto-api/index.js';
import type { Person } from '../../apps/homeserver/src/demo/person.js';

/** Makes the keys with which a person vouches for the own devices and for other people. */
export async function setUpCrossSigning(person: Person): Promise<void> {
  await person.client.getCrypto()!.bootstrapCrossSigning({
    setupNewCrossSigning: true,
    // The first upload needs no password.
    authUploadDeviceSigningKeys: async (upload) => void (await upload(null)),
  });
}

/** Two people compare emoji, in the room that they share; resolves with what both were shown. */
export async function verifyEachOther(one: Person, other: Person, roomId: string): Promise<{ one: string[]; other: string[] }> {
  const asked = new Promise<VerificationRequest>((resolve) => other.client.once(CryptoEvent.VerificationRequestReceived, resolve));
  const request = await one.client.getCrypto()!.requestVerificationDM(other.userId, roomId);
  const incoming = await asked;
  await incoming.accept();
  await reached(request, VerificationPhase.Ready);
  const verifier = await request.startVerification('m.sas.v1');
  await reached(incoming, VerificationPhase.Started);
  const emoji = await Promise.all([compare(verifier), compare(incoming.verifier!)]);
  await Promise.all([reached(request, VerificationPhase.Done), reached(incoming, VerificationPhase.Done)]);
  return { one: emoji[0], other: emoji[1] };
}

/** Whether somebody has verified somebody else. */
export async function trusts(one: Person, other: Person): Promise<boolean> {
  const status = await one.client.getCrypto()!.getUserVerificationStatus(other.userId);
  return status.isCrossSigningVerified();
}

async function compare(verifier: Verifier): Promise<string[]> {
  const shown = new Promise<string[]>((resolve, reject) => {
    verifier.once(VerifierEvent.ShowSas, ({ sas, confirm }) => {
      confirm().catch(reject);
      resolve(sas.emoji!.map(([symbol]) => symbol));
    });
  });
  await verifier.verify();
  return shown;
}

function reached(request: VerificationRequest, phase: VerificationPhase): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (request.phase !== phase) return;
      request.off(VerificationRequestEvent.Change, look);
      resolve();
    };
    request.on(VerificationRequestEvent.Change, look);
    look();
  });
}
