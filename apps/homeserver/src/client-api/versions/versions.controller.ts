import { Controller, Get } from '@nestjs/common';
import { Auth } from '../../http/auth.decorator.js';
import { RawJson } from '../../http/raw-json.js';

/** Clients look for exact versions ("v1.3"), so each one is listed. */
const versions = [
  ...['r0.0.1', 'r0.1.0', 'r0.2.0', 'r0.3.0', 'r0.4.0', 'r0.5.0', 'r0.6.0', 'r0.6.1'],
  ...Array.from({ length: 19 }, (_, minor) => `v1.${minor + 1}`),
];

/** What clients may use that is in no version of the specification. Only what works. */
const unstableFeatures: Readonly<Record<string, boolean>> = {
  'io.partyline.homes': true,
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
