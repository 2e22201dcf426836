// The tables of the folder's README are read by people who write the other end. They say what the code does.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { nodeCrypto } from '../../appliance/applet/node-crypto.ts';
import { sessionGuidFrom, sessionIdFrom } from '../../appliance/guid.ts';
import { controlKey, firstEpoch, nextEpoch } from '../../appliance/link/keys.ts';
import * as limits from '../../appliance/link/limits.ts';
import { RecordSender } from '../../appliance/link/record-sender.ts';
import { gatewayToken, linkPsk } from '../../appliance/link/session-secrets.ts';
import { commitment, shortString } from '../../appliance/link/short-string.ts';
import { attachTranscript } from '../../appliance/protocol/attach.ts';
import type { Bytes } from '../../appliance/protocol/bytes.ts';
import { writeControl } from '../../appliance/protocol/control-frames.ts';
import {
  associatedData,
  DIRECTION,
  HEADER_BYTES,
  nonceOf,
  parseRecord,
  RECORD,
  TAG_BYTES,
  writeHeader,
} from '../../appliance/protocol/record.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { listFiles, readRoot } from '../support/sources.ts';
import { hex } from './support.ts';

const README = readFileSync(join(import.meta.dirname, '../../appliance/link/README.md'), 'utf8');

/** The rows of the table after this mark, without its head. */
function tableAfter(mark: string): string[][] {
  const [, after = ''] = README.split(`<!-- ${mark}`);
  const lines = after.slice(after.indexOf('|')).split('\n');
  const end = lines.findIndex(line => !line.startsWith('|'));
  return lines.slice(2, end).map(line =>
    line
      .split('|')
      .slice(1, -1)
      .map(cell => cell.trim().replaceAll('`', '')),
  );
}

test('B-03 the README lists every limit with its value', t => {
  const written = (value: unknown) =>
    typeof value === 'object' && value !== null ? Object.values(value).join(' / ') : String(value);
  const code = Object.entries(limits).map(([name, value]) => [name, written(value)]);
  const listed = tableAfter('limits').map(([name, value]) => [name, value]);
  t.deepEqual(listed.sort(), code.sort());
});

test('B-03 the README lists every record with its type, whether it is sealed, and its most bytes', t => {
  const record = (type: number, length: number, tag: number): Bytes => {
    const message = new Uint8Array(HEADER_BYTES + length + tag);
    writeHeader(message, { type: type as 1, epoch: 0, seq: 0, length });
    return message;
  };
  const rows = tableAfter('records');
  t.deepEqual(
    rows.map(([name, type]) => [name, Number(type)]),
    Object.entries(RECORD).map(([name, type]) => [name, type]),
  );
  for (const [name, type, sealed, most] of rows) {
    const tag = sealed === 'yes' ? TAG_BYTES : 0;
    t.is(parseRecord(record(Number(type), Number(most), tag)).length, Number(most), name);
    t.throws(() => parseRecord(record(Number(type), Number(most) + 1, tag)));
    t.throws(() => parseRecord(record(Number(type), 1, TAG_BYTES - tag)));
  }
});

test('B-03 the README lists every error code of the folder, and no other', t => {
  const files = listFiles('appliance/link').filter(path => path.endsWith('.ts'));
  const thrown = files.flatMap(path => readRoot(path).match(/(?<=')link\.[a-z-]+(?=')/g) ?? []);
  t.deepEqual(
    tableAfter('errors')
      .map(([code]) => code)
      .sort(),
    [...new Set(thrown)].sort(),
  );
});

const counted = (first: number): Bytes => Uint8Array.from({ length: 16 }, (_, i) => first + i);
const repeated = (byte: number, length = 32): Bytes => new Uint8Array(length).fill(byte);

/** A record of a number and an epoch that no sender reaches in a test. */
async function laterRecord(plain: Bytes, linkId: Bytes): Promise<Bytes> {
  const seq = 2 ** 32 + 5;
  const keys = nextEpoch(nodeCrypto, nextEpoch(nodeCrypto, firstEpoch(nodeCrypto, repeated(0x50))));
  const header = new Uint8Array(HEADER_BYTES);
  writeHeader(header, { type: RECORD.data, epoch: keys.epoch, seq, length: plain.length });
  const associated = associatedData(header, linkId, DIRECTION.consoleToApplet);
  const record = await (await keys.key).seal(nonceOf(seq), associated, [plain], HEADER_BYTES);
  record.set(header);
  return record;
}

/** What our code makes of the inputs above the table. */
async function vectors(): Promise<string[]> {
  const [guid, sid, linkId] = [sessionGuidFrom(counted(0)), counted(0x10), counted(0x20)];
  const sender = new RecordSender({
    ...{ crypto: nodeCrypto, clock: new ManualClock(), secret: repeated(0x50), linkId },
    ...{ direction: DIRECTION.consoleToApplet, sealed: () => undefined, fail: () => undefined },
  });
  const hello = new TextEncoder().encode('hello');
  sender.seal([hello], hello.length);
  const ack = writeControl({ type: 'ack', next: 300 });
  const header = new Uint8Array(HEADER_BYTES);
  writeHeader(header, { type: RECORD.control, epoch: 0, seq: 3, length: ack.length });
  const key = await controlKey(nodeCrypto, repeated(0x52), 7, DIRECTION.appletToConsole);
  const associated = associatedData(header, linkId, DIRECTION.appletToConsole);
  const control = (await key.seal(nonceOf(3), associated, [ack], HEADER_BYTES)) as Bytes;
  control.set(header);
  const begin = { linkId, attach: 7, generation: 2, next: 300, nonce: repeated(0xc3, 16) };
  const attach = { sid, kind: 'relay', begin, appletNext: 5, appletNonce: repeated(0xa3, 16) } as const;
  const mac = (author: 1 | 2) => nodeCrypto.hmacSha256(repeated(0x51), attachTranscript(author, attach));
  const applet = { ephemeral: repeated(0xa1), random: repeated(0xa2) };
  const console = { ephemeral: repeated(0xc1), random: repeated(0xc2) };
  return [
    hex(await gatewayToken(nodeCrypto, guid)),
    hex(await linkPsk(nodeCrypto, guid, sessionIdFrom(sid))),
    hex(await commitment(nodeCrypto, console)),
    await shortString(nodeCrypto, repeated(0xb0), applet, console),
    hex(sender.next() ?? new Uint8Array(0)),
    hex(await laterRecord(hello, linkId)),
    hex(control),
    hex(await mac(DIRECTION.appletToConsole)),
    hex(await mac(DIRECTION.consoleToApplet)),
  ];
}

test('B-02 the test vectors of the README are what the code makes', async t => {
  t.deepEqual(
    tableAfter('vectors').map(([, value]) => value),
    await vectors(),
  );
});
