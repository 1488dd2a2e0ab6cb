// For trying several servers on one machine: an authority that only they know, and a certificate for each of them.
//   node make-certificates.js FOLDER NAME...
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCertificateAuthority } from '../../dist/apps/homeserver/src/tls/certificate-authority.js';

const [folder, ...names] = process.argv.slice(2);
const authorityFile = join(folder, 'authority.pem');
// Servers that run already trust the authority that is there.
if (!existsSync(authorityFile)) {
  mkdirSync(folder, { recursive: true });
  const authority = createCertificateAuthority(Date.now(), randomBytes);
  for (const name of names) {
    const { cert, key } = authority.issue([name, 'localhost', '127.0.0.1']);
    writeFileSync(join(folder, `${name}.cert.pem`), cert);
    writeFileSync(join(folder, `${name}.key.pem`), key, { mode: 0o600 });
  }
  // Last, and at once: an interrupted run is done again.
  writeFileSync(`${authorityFile}.new`, authority.cert);
  renameSync(`${authorityFile}.new`, authorityFile);
}
