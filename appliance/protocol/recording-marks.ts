// Marks in the hashed stream: canonical JSON, each with the time by the appliance's clock as the applet knows it. They say
// what the picture alone does not, and never what was typed or written.
//   begin     of the stream: whose it is, what the picture looks like before the viewer has its say, and where the technician
//             had paused the recording, which stream it goes on with, and how long after the end of that
//   beat      at least each second, and before what is drawn later than a moment after the last; keys pressed since the last
//   format    what the picture is sent in from here on: the effective SetPixelFormat and SetEncodings
//   monitors  the monitors there are, and the one that is shown; 0 is all of them
//   pointer   where the technician's pointer is, and its buttons: a click is a button that was not pressed before
//   action    what became of something the technician asked for · chat  that a line was written, not what it says
//   state     pictures are held back or go on · loss  of an earlier stream: what was sent and what of it is proved
//   end       nothing follows; why is `paused` where the technician paused the recording
import { type SessionId, toBase64Url } from '../guid.ts';
import { ByteReader, type Bytes, ByteWriter } from './bytes.ts';
import { type CanonicalValue, canonicalBytes } from './canonical-json.ts';
import { Fields } from './fields.ts';
import { MAX_ENCODINGS, type PixelFormat, readPixelFormat, writePixelFormat } from './rfb.ts';
import { ALL_MONITORS, MAX_MONITORS, MAX_SIDE, type Monitor, readMonitor } from './screen.ts';

const ID_BYTES = 16;
const FORMAT_BYTES = 16;
const MAX_NAME_BYTES = 400;
const MAX_KEYS = 100_000;
const TYPES = ['begin', 'beat', 'format', 'monitors', 'pointer', 'action', 'chat', 'state', 'loss', 'end'] as const;
const STAGES = ['asked', 'granted', 'refused', 'started', 'ended'] as const;
const STATES = ['live', 'paused', 'frozen', 'unrecorded'] as const;
const WRITERS = ['customer', 'technician'] as const;

export interface BeginMark {
  readonly type: 'begin';
  /** ms UTC. */
  readonly at: number;
  readonly version: number;
  readonly nonce: Bytes;
  readonly sid: SessionId;
  readonly linkId: Bytes;
  /** The technician's member id, and the name the customer is shown. */
  readonly sub: string;
  readonly technician: string;
  /** Whether the picture stops where it isn't recorded. */
  readonly forced: boolean;
  readonly width: number;
  readonly height: number;
  readonly format: PixelFormat;
  readonly encodings: readonly number[];
  /** Null where it follows no pause. */
  readonly after: Bytes | null;
  /** From the pause on; 0 where there was none. */
  readonly pausedMs: number;
}

export type Mark =
  | BeginMark
  | { readonly type: 'beat'; readonly at: number; readonly keys: number }
  | {
      readonly type: 'format';
      readonly at: number;
      readonly format: PixelFormat;
      readonly encodings: readonly number[];
    }
  | {
      readonly type: 'monitors';
      readonly at: number;
      readonly monitors: readonly Monitor[];
      readonly monitor: number;
    }
  | {
      readonly type: 'pointer';
      readonly at: number;
      readonly x: number;
      readonly y: number;
      /** As RFC 6143 §7.5.5 has them. */
      readonly buttons: number;
    }
  | {
      readonly type: 'action';
      readonly at: number;
      readonly action: string;
      readonly stage: (typeof STAGES)[number];
    }
  | { readonly type: 'chat'; readonly at: number; readonly line: Bytes; readonly by: (typeof WRITERS)[number] }
  /** `unrecorded`: what was sent was not proved to be recorded in time, and went on only now. */
  | { readonly type: 'state'; readonly at: number; readonly state: (typeof STATES)[number] }
  | {
      readonly type: 'loss';
      readonly at: number;
      readonly nonce: Bytes;
      readonly sent: number;
      readonly covered: number;
    }
  | { readonly type: 'end'; readonly at: number; readonly why: string };

/** The body of a mark. */
export function writeMark(mark: Mark): Bytes {
  return canonicalBytes({ ...plain(mark), v: 1 });
}

/** @throws ApplianceError `protocol.malformed` */
export function parseMark(body: Bytes): Mark {
  const fields = Fields.fromCanonical(body);
  fields.integer('v', 1, 1);
  const type = fields.oneOf('type', TYPES);
  const mark = read(fields, type, fields.integer('at', 0));
  fields.end();
  return mark;
}

function plain(mark: Mark): Readonly<Record<string, CanonicalValue>> {
  const said = Object.entries(mark).filter(([, value]) => value !== null);
  const entries = said.map(([name, value]): [string, CanonicalValue] => {
    if (value instanceof Uint8Array) return [name, toBase64Url(value)];
    if (name === 'format') return [name, toBase64Url(writePixelFormat(new ByteWriter(FORMAT_BYTES), value).done())];
    return [name, value];
  });
  return Object.fromEntries(entries);
}

function read(fields: Fields, type: (typeof TYPES)[number], at: number): Mark {
  switch (type) {
    case 'begin':
      return readBegin(fields, at);
    case 'beat':
      return { type, at, keys: fields.integer('keys', 0, MAX_KEYS) };
    case 'format':
      return { type, at, ...readFormat(fields) };
    case 'monitors':
      return {
        ...{ type, at, monitors: fields.list('monitors', MAX_MONITORS, readMonitor) },
        monitor: fields.integer('monitor', ALL_MONITORS, MAX_MONITORS),
      };
    case 'pointer':
      return {
        ...{ type, at, x: fields.integer('x', 0, MAX_SIDE), y: fields.integer('y', 0, MAX_SIDE) },
        buttons: fields.integer('buttons', 0, 255),
      };
    case 'action':
      return { type, at, action: fields.name('action'), stage: fields.oneOf('stage', STAGES) };
    case 'chat':
      return { type, at, line: fields.bytes('line', ID_BYTES), by: fields.oneOf('by', WRITERS) };
    case 'state':
      return { type, at, state: fields.oneOf('state', STATES) };
    case 'loss':
      return {
        ...{ type, at, nonce: fields.bytes('nonce', ID_BYTES) },
        ...{ sent: fields.integer('sent', 0), covered: fields.integer('covered', 0) },
      };
    case 'end':
      return { type, at, why: fields.name('why') };
  }
}

function readBegin(fields: Fields, at: number): BeginMark {
  return {
    ...{ type: 'begin', at, version: fields.integer('version', 1, 1), nonce: fields.bytes('nonce', ID_BYTES) },
    ...{ sid: fields.sessionId('sid'), linkId: fields.bytes('linkId', ID_BYTES), sub: fields.line('sub', 64) },
    ...{ technician: fields.line('technician', MAX_NAME_BYTES), forced: fields.boolean('forced') },
    ...{ width: fields.integer('width', 1, MAX_SIDE), height: fields.integer('height', 1, MAX_SIDE) },
    ...readFormat(fields),
    ...{ after: fields.has('after') ? fields.bytes('after', ID_BYTES) : null, pausedMs: fields.integer('pausedMs', 0) },
  };
}

function readFormat(fields: Fields): { readonly format: PixelFormat; readonly encodings: readonly number[] } {
  const reader = new ByteReader(fields.bytes('format', FORMAT_BYTES));
  const format = readPixelFormat(reader);
  return { format, encodings: fields.integers('encodings', MAX_ENCODINGS, -(2 ** 31), 2 ** 31 - 1) };
}
