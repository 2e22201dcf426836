// What every listener of the appliance speaks (B-01): TLS 1.2 and 1.3, one suite each, AES-256-GCM with SHA-384.
import { constants } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';

/**
 * Renegotiation and compression are off. So are tickets: a TLS 1.2 ticket key that lives as long as the process would
 * undo forward secrecy, and a replaced certificate must hold for the next connection.
 */
export const tlsSettings = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_256_GCM_SHA384:ECDHE-RSA-AES256-GCM-SHA384',
  ecdhCurve: 'X25519MLKEM768:X25519:P-256:P-384',
  sigalgs: 'RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512',
  honorCipherOrder: true,
  secureOptions:
    constants.SSL_OP_NO_RENEGOTIATION |
    constants.SSL_OP_NO_COMPRESSION |
    constants.SSL_OP_NO_TICKET |
    constants.SSL_OP_CIPHER_SERVER_PREFERENCE,
} as const satisfies SecureContextOptions;
