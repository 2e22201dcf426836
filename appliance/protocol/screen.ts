// Messages on the streams `screen` and `input`. The picture is RFB (RFC 6143) from its version line on; each message of
// `screen` is
//   kind 1 byte: 0 RFB bytes, cut anywhere · 1 one canonical JSON object · 2 A→C, a mark (recording-marks.ts)
//   C→A  open {grant, monitor, quality}   first of all; `grant` is the number of the viewing grant
//        monitor {monitor} · quality {quality} · pace {visible}
//   A→C  monitors {monitors, monitor} · state {state} · ended {why}
// What moves the customer's computer goes on `input` alone, so that every record carries the number of the grant it
// claims; RFB key, pointer and cut-text messages on `screen` are dropped.
//   C→A  kind 1 byte, grant varint, then  1: one whole RFB client message (KeyEvent, PointerEvent, QEMU extended key)
//        2: one whole ClientCutText, with the number of the clipboard grant
//        3: laser pointer, x uint16, y uint16 in the picture, shown uint8, with the number of the viewing grant
//   A→C  one canonical JSON object: state {state}
import { ByteReader, type Bytes, ByteWriter, malformed } from './bytes.ts';
import { type CanonicalValue, canonicalBytes } from './canonical-json.ts';
import { Fields } from './fields.ts';

export const SCREEN_STREAM = 'screen';
export const SCREEN_PRIORITY = 3;
export const INPUT_STREAM = 'input';
export const INPUT_PRIORITY = 1;

/** All monitors as one picture; others have their own numbers from 1 on. */
export const ALL_MONITORS = 0;
export const MAX_MONITORS = 16;
export const MAX_SIDE = 16_384;
/** A clipboard's text, in UTF-8. */
export const MAX_CLIPBOARD_BYTES = 512 * 1024;

export const KIND_RFB = 0;
const KIND_CONTROL = 1;
export const KIND_MARK = 2;
const INPUT_KIND = { event: 1, clipboard: 2, laser: 3 } as const;
const QUALITIES = ['auto', 'sharp', 'light'] as const;
/** `paused`: by the customer · `frozen`: rights are, for a moment · `question`: a dialog is on the customer's screen */
const SCREEN_STATES = ['live', 'paused', 'frozen'] as const;
const INPUT_STATES = ['on', 'paused', 'customer-input', 'question', 'frozen', 'unrecorded', 'off'] as const;
const SCREEN_ENDS = [
  'stopped',
  'display-lost',
  'display-stuck',
  'protocol',
  'unavailable',
  'replaced',
  'unrecorded',
  'paused',
] as const;

/** `auto`: lossy where it moves, exact once quiet · `sharp`: never lossy · `light`: for slow lines. */
export type Quality = (typeof QUALITIES)[number];
export type ScreenState = (typeof SCREEN_STATES)[number];
export type InputState = (typeof INPUT_STATES)[number];
/**
 * `unrecorded`: it begins anew under the same grant, for it has to be recorded from now on, or may not be any more ·
 * `paused`: so it does because its recording was paused
 */
export type ScreenEnd = (typeof SCREEN_ENDS)[number];

/** One of the customer's monitors, in pixels of the whole desktop. */
export interface Monitor {
  /** 1 to MAX_MONITORS; stays as long as the layout does. */
  readonly id: number;
  readonly name: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly primary: boolean;
}

export type ScreenControl =
  | {
      readonly type: 'open';
      readonly grant: number;
      readonly monitor: number;
      readonly quality: Quality;
    }
  | { readonly type: 'monitor'; readonly monitor: number }
  | { readonly type: 'quality'; readonly quality: Quality }
  /** Of several sessions only the one that is looked at runs at full rate. */
  | { readonly type: 'pace'; readonly visible: boolean };

export type ScreenNews =
  | { readonly type: 'monitors'; readonly monitors: readonly Monitor[]; readonly monitor: number }
  | { readonly type: 'state'; readonly state: ScreenState }
  /** Where the customer's own mouse is, in pixels of the picture; at most some twenty times a second. */
  | { readonly type: 'pointer'; readonly x: number; readonly y: number; readonly shown: boolean }
  | { readonly type: 'ended'; readonly why: ScreenEnd };

export type ScreenMessage<Control> =
  | { readonly type: 'rfb'; readonly bytes: Bytes }
  | { readonly type: 'control'; readonly control: Control };

/** `mark`: the console hands it on to the recorder with the picture, and does not need to understand it. */
export type ScreenNewsMessage = ScreenMessage<ScreenNews> | { readonly type: 'mark'; readonly bytes: Bytes };

export type InputMessage =
  | { readonly type: 'event'; readonly grant: number; readonly rfb: Bytes }
  | { readonly type: 'clipboard'; readonly grant: number; readonly rfb: Bytes }
  | {
      readonly type: 'laser';
      readonly grant: number;
      readonly x: number;
      readonly y: number;
      readonly shown: boolean;
    };

export function writeScreenRfb(bytes: Bytes): Bytes {
  return withKind(KIND_RFB, bytes);
}

/** @param body as `writeMark` has it */
export function writeScreenMark(body: Bytes): Bytes {
  return withKind(KIND_MARK, body);
}

export function writeScreenControl(control: ScreenControl | ScreenNews): Bytes {
  const body = control.type === 'monitors' ? { ...control, monitors: control.monitors.map(plain) } : control;
  return withKind(KIND_CONTROL, canonicalBytes({ ...body, v: 1 }));
}

/** What a console sent. @throws ApplianceError `protocol.malformed` */
export function parseScreenControl(bytes: Bytes): ScreenMessage<ScreenControl> {
  return parseScreen(bytes, readControl);
}

/** What an applet sent. @throws ApplianceError `protocol.malformed` */
export function parseScreenNews(bytes: Bytes): ScreenNewsMessage {
  if (bytes[0] === KIND_MARK && bytes.length > 1) return { type: 'mark', bytes: bytes.subarray(1) };
  return parseScreen(bytes, readNews);
}

export function writeInput(message: InputMessage): Bytes {
  const writer = new ByteWriter().uint(1, INPUT_KIND[message.type]).varint(message.grant);
  if (message.type !== 'laser') return writer.bytes(message.rfb).done();
  return writer
    .uint(2, message.x)
    .uint(2, message.y)
    .uint(1, message.shown ? 1 : 0)
    .done();
}

/** @throws ApplianceError `protocol.malformed` */
export function parseInput(bytes: Bytes): InputMessage {
  const reader = new ByteReader(bytes);
  const kind = reader.uint(1);
  const grant = reader.varint();
  if (kind === INPUT_KIND.laser) {
    const [x, y, shown] = [reader.uint(2), reader.uint(2), reader.uint(1)];
    if (shown > 1 || reader.left > 0) throw malformed('a laser pointer that is none');
    return { type: 'laser', grant, x, y, shown: shown === 1 };
  }
  const rfb = reader.bytes(reader.left);
  if (rfb.length === 0) throw malformed('an input without an event');
  if (kind === INPUT_KIND.event) return { type: 'event', grant, rfb };
  if (kind === INPUT_KIND.clipboard) return { type: 'clipboard', grant, rfb };
  throw malformed(`an input of kind ${kind}`);
}

export function writeInputState(state: InputState): Bytes {
  return canonicalBytes({ type: 'state', state, v: 1 });
}

/** @throws ApplianceError `protocol.malformed` */
export function parseInputState(bytes: Bytes): InputState {
  const fields = Fields.fromCanonical(bytes);
  fields.integer('v', 1, 1);
  fields.oneOf('type', ['state']);
  const state = fields.oneOf('state', INPUT_STATES);
  fields.end();
  return state;
}

function withKind(kind: number, body: Bytes): Bytes {
  const message = new Uint8Array(body.length + 1);
  message[0] = kind;
  message.set(body, 1);
  return message;
}

function parseScreen<Control>(bytes: Bytes, read: (fields: Fields) => Control): ScreenMessage<Control> {
  const body = bytes.subarray(1);
  if (body.length === 0) throw malformed('a screen message without a body');
  if (bytes[0] === KIND_RFB) return { type: 'rfb', bytes: body };
  if (bytes[0] !== KIND_CONTROL) throw malformed(`a screen message of kind ${bytes[0]}`);
  const fields = Fields.fromCanonical(body);
  fields.integer('v', 1, 1);
  const control = read(fields);
  fields.end();
  return { type: 'control', control };
}

function readControl(fields: Fields): ScreenControl {
  const type = fields.oneOf('type', ['open', 'monitor', 'quality', 'pace']);
  switch (type) {
    case 'open':
      return {
        ...{ type, grant: fields.integer('grant', 1), monitor: fields.integer('monitor', ALL_MONITORS, MAX_MONITORS) },
        quality: fields.oneOf('quality', QUALITIES),
      };
    case 'monitor':
      return { type, monitor: fields.integer('monitor', ALL_MONITORS, MAX_MONITORS) };
    case 'quality':
      return { type, quality: fields.oneOf('quality', QUALITIES) };
    case 'pace':
      return { type, visible: fields.boolean('visible') };
  }
}

function readNews(fields: Fields): ScreenNews {
  const type = fields.oneOf('type', ['monitors', 'state', 'pointer', 'ended']);
  switch (type) {
    case 'monitors': {
      const monitors = fields.list('monitors', MAX_MONITORS, readMonitor);
      return { type, monitors, monitor: fields.integer('monitor', ALL_MONITORS, MAX_MONITORS) };
    }
    case 'state':
      return { type, state: fields.oneOf('state', SCREEN_STATES) };
    case 'pointer':
      return {
        ...{ type, x: fields.integer('x', 0, MAX_SIDE), y: fields.integer('y', 0, MAX_SIDE) },
        shown: fields.boolean('shown'),
      };
    case 'ended':
      return { type, why: fields.oneOf('why', SCREEN_ENDS) };
  }
}

export function readMonitor(fields: Fields): Monitor {
  return {
    ...{ id: fields.integer('id', 1, MAX_MONITORS), name: fields.line('name', 64), primary: fields.boolean('primary') },
    ...{ x: fields.integer('x', 0, MAX_SIDE), y: fields.integer('y', 0, MAX_SIDE) },
    ...{ width: fields.integer('width', 1, MAX_SIDE), height: fields.integer('height', 1, MAX_SIDE) },
  };
}

function plain({ id, name, x, y, width, height, primary }: Monitor): CanonicalValue {
  return { id, name, x, y, width, height, primary };
}
