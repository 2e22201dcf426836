// TLS of whatever we connect to on the network: AES-256 only, also with ECDSA certificates (DESIGN 12.8).
export const clientTls = {
  minVersion: 'TLSv1.2',
  ciphers: ['TLS_AES_256_GCM_SHA384', 'ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-AES256-GCM-SHA384'].join(':'),
  ecdhCurve: 'X25519MLKEM768:X25519:P-256:P-384',
} as const;
