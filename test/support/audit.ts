import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { AuditLog, type LogHeadSigner } from '../../appliance/audit/audit.ts';
import type { AuditEntry } from '../../appliance/audit/entry.ts';
import { silentLog } from '../../appliance/log.ts';
import { canonicalBytes } from '../../appliance/protocol/canonical-json.ts';
import { SessionFacts } from '../../appliance/sessions/session-facts.ts';
import { openTestStore, type TestStore } from './store.ts';

const LOG_HEAD_PREFIX = Buffer.from('appliance/log-head/v1\0');

/** Signs as the signer does, with a key of the test's own. */
export class TestHeadSigner implements LogHeadSigner {
  readonly publicKey: KeyObject;
  readonly #privateKey: KeyObject;

  constructor() {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.publicKey = publicKey;
    this.#privateKey = privateKey;
  }

  async signLogHead({ log, seq, hash }: { log: string; seq: number; hash: string }) {
    const kid = 'test-log-head-key';
    const signed = Buffer.concat([LOG_HEAD_PREFIX, canonicalBytes({ hash, kid, log, seq })]);
    const signature = sign('sha256', signed, { key: this.#privateKey, dsaEncoding: 'ieee-p1363' });
    return { kid, signature: signature.toString('base64url') };
  }
}

export interface TestAudit extends TestStore {
  readonly audit: AuditLog;
  readonly signer: TestHeadSigner;
  /** Every entry, oldest first. */
  entries(): Promise<AuditEntry[]>;
}

/** A real store with the real log on it. */
export async function openTestAudit(): Promise<TestAudit> {
  const at = await openTestStore();
  const signer = new TestHeadSigner();
  const config = { headEveryEntries: 1000, headEverySeconds: 60 };
  const audit = new AuditLog({
    sessions: new SessionFacts(at.store),
    store: at.store,
    signer,
    clock: at.clock,
    log: silentLog,
    config,
  });
  await audit.start();
  return {
    ...at,
    audit,
    signer,
    entries: async () => {
      const found = await audit.search({ limit: 100_000 });
      return found.map(stored => stored.entry).reverse();
    },
    close: async () => {
      await audit.close();
      await at.close();
    },
  };
}
