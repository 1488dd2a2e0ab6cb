import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import { bitString, boolean, context, integer, objectId, octetString, sequence, set, time, utf8 } from './der.js';

const COMMON_NAME = '2.5.4.3';
const BASIC_CONSTRAINTS = '2.5.29.19';
const KEY_USAGE = '2.5.29.15';
const SUBJECT_ALT_NAME = '2.5.29.17';
const ECDSA_SHA256 = sequence(objectId('1.2.840.10045.4.3.2'));

const DAY_MS = 86_400_000;
const VALID_DAYS = 365;

/** A certificate and its private key, both PEM text. */
export interface CertifiedKey {
  readonly cert: string;
  readonly key: string;
}

/** An authority that lives as long as a test run or a demonstration: its key never leaves the process. */
export interface CertificateAuthority {
  /** The authority's own certificate, PEM: what the servers are told to trust. */
  readonly cert: string;
  /** A server certificate for host names and literal addresses. */
  issue(names: readonly string[]): CertifiedKey;
}

/**
 * Makes a certificate authority (RFC 5280, ECDSA P-256) without openssl.
 *
 * @param now milliseconds since the epoch: certificates are valid from a day before for a year
 * @param randomBytes source of serial numbers
 */
export function createCertificateAuthority(now: number, randomBytes: (length: number) => Uint8Array): CertificateAuthority {
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = name('Partyline test authority');
  const validity = sequence(time(now - DAY_MS), time(now + VALID_DAYS * DAY_MS));
  const certify = (subject: Buffer, publicKey: KeyObject, extensions: readonly Buffer[]): string => {
    const serial = Buffer.from(randomBytes(16));
    // Positive, and with a fixed length.
    serial[0] = (serial[0]! & 0x3f) | 0x40;
    const body = sequence(
      context(0, integer(Buffer.from([2]))),
      integer(serial),
      ECDSA_SHA256,
      issuer,
      validity,
      subject,
      publicKey.export({ type: 'spki', format: 'der' }),
      context(3, sequence(...extensions)),
    );
    return pem('CERTIFICATE', sequence(body, ECDSA_SHA256, bitString(sign('sha256', body, authority.privateKey))));
  };
  return {
    cert: certify(issuer, authority.publicKey, [
      extension(BASIC_CONSTRAINTS, sequence(boolean(true))),
      // keyCertSign and cRLSign: bits 5 and 6.
      extension(KEY_USAGE, bitString(Buffer.from([0b0000_0110]), 1)),
    ]),
    issue: (names) => {
      const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const cert = certify(name(names[0] ?? 'localhost'), pair.publicKey, [
        extension(SUBJECT_ALT_NAME, sequence(...names.map(alternativeName))),
      ]);
      return { cert, key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string };
    },
  };
}

function name(commonName: string): Buffer {
  return sequence(set(sequence(objectId(COMMON_NAME), utf8(commonName))));
}

function extension(id: string, value: Buffer): Buffer {
  return sequence(objectId(id), boolean(true), octetString(value));
}

/** GeneralName: dNSName is context tag 2, iPAddress 7, both primitive. */
function alternativeName(host: string): Buffer {
  const version = isIP(host);
  if (version === 0) return context(2, Buffer.from(host, 'ascii'), false);
  return context(7, version === 4 ? Buffer.from(host.split('.').map(Number)) : ipv6Bytes(host), false);
}

function ipv6Bytes(address: string): Buffer {
  const [head = '', tail] = address.split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  const bytes = Buffer.alloc(16);
  [...before, ...zeros, ...after].forEach((group, index) => bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2));
  return bytes;
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g)!;
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
