import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { SettingsError } from './settings-error.js';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g;

/** Certificate with its chain, and private key; PEM texts that belong together. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

/**
 * Reads the certificate of the TLS listener; null when neither file is set.
 *
 * @throws SettingsError for one without the other, what cannot be read, and a key of another certificate
 */
export function readTlsFiles(certFile: string | null, keyFile: string | null): TlsFiles | null {
  if (certFile === null && keyFile === null) return null;
  if (keyFile === null) throw new SettingsError('PARTYLINE_TLS_KEY', 'is needed with PARTYLINE_TLS_CERT');
  if (certFile === null) throw new SettingsError('PARTYLINE_TLS_CERT', 'is needed with PARTYLINE_TLS_KEY');
  const cert = readCertificates('PARTYLINE_TLS_CERT', certFile);
  const key = readText('PARTYLINE_TLS_KEY', keyFile);
  if (!new X509Certificate(cert.match(CERTIFICATE)![0]).checkPrivateKey(privateKey(key, keyFile))) {
    throw new SettingsError('PARTYLINE_TLS_KEY', `${keyFile} is not the key of the first certificate in ${certFile}`);
  }
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    throw new SettingsError('PARTYLINE_TLS_CERT', `${certFile} cannot be used (${(error as Error).message})`);
  }
  return Object.freeze({ cert, key });
}

/** @returns PEM text of at least one certificate @throws SettingsError */
export function readCertificates(setting: string, file: string): string {
  const content = readText(setting, file);
  const blocks = content.match(CERTIFICATE);
  if (!blocks) throw new SettingsError(setting, `${file} holds no certificate in PEM form`);
  for (const block of blocks) {
    try {
      new X509Certificate(block);
    } catch {
      throw new SettingsError(setting, `${file} holds something that is no certificate`);
    }
  }
  return content;
}

function privateKey(key: string, file: string): KeyObject {
  try {
    return createPrivateKey(key);
  } catch (error) {
    const isEncrypted = key.includes('ENCRYPTED') || (error as NodeJS.ErrnoException).code === 'ERR_MISSING_PASSPHRASE';
    throw new SettingsError('PARTYLINE_TLS_KEY', isEncrypted ? `${file} is protected by a passphrase: store it without` : `${file} holds no private key in PEM form`);
  }
}

function readText(setting: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new SettingsError(setting, `cannot read ${file} (${(error as NodeJS.ErrnoException).code})`);
  }
}
