import { Controller, Get } from '@nestjs/common';
import { Auth } from '../../http/auth.decorator.js';
import { RawJson } from '../../http/raw-json.js';

/**
 * Clients look for exact versions ("v1.3"), so each one is listed. No version is here as a whole (README, "What is missing"), and these
 * are those without which no client would talk to us. A later one is named when all that it adds is here; single things of it are
 * features.
 */
const versions = ['r0.0.1', 'r0.1.0', 'r0.2.0', 'r0.3.0', 'r0.4.0', 'r0.5.0', 'r0.6.0', 'r0.6.1', 'v1.1'];

/** What clients may use that is in none of these versions. Only what works. */
const unstableFeatures: Readonly<Record<string, boolean>> = {
  'io.partyline.homes': true,
  // Media with a token, of v1.11.
  'org.matrix.msc3916.stable': true,
  // Private read receipts, of v1.4.
  'org.matrix.msc2285.stable': true,
  // Threads, of v1.4: what is gathered of them, lists of them, receipts and counts in them.
  'org.matrix.msc3440.stable': true,
  'org.matrix.msc3856.stable': true,
  'org.matrix.msc3771': true,
  'org.matrix.msc3773': true,
  // Relations in both directions, of v1.4, and of relations, of v1.10.
  'org.matrix.msc3715.stable': true,
  'org.matrix.msc3981': true,
  // What relates, in filters.
  'org.matrix.msc3874': true,
  // Dehydrated devices.
  'org.matrix.msc3814': true,
  // Push rules of mentions, of v1.7.
  'org.matrix.msc3952_intentional_mentions': true,
  // Sliding sync (MSC4186), of before it was in the specification.
  'org.matrix.simplified_msc3575': true,
  // Profile fields of one's own, of v1.16.
  'uk.tcpip.msc4133.stable': true,
  // Events that are sent later.
  'org.matrix.msc4140': true,
  // Invitations blocked or filtered by account data; the first is of v1.18.
  'org.matrix.msc4380.stable': true,
  'org.matrix.msc4155': true,
  // Web Push.
  'org.matrix.msc4174': true,
};

@Controller()
export class VersionsController {
  readonly #answer = new RawJson(JSON.stringify({ versions, unstable_features: unstableFeatures }));

  @Get('/_matrix/client/versions')
  @Auth('none')
  versions(): RawJson {
    return this.#answer;
  }
}
