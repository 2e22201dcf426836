// Writes what a viewer sends, for tests. Its own code: what the appliance reads must not be what it wrote itself.
import type { PixelFormat } from '../../appliance/protocol/rfb.ts';
import type { RfbClientMessage } from '../../appliance/protocol/rfb-client-messages.ts';

/** What a viewer says before its messages: version, security None, shared. */
export const OPENING: Uint8Array<ArrayBuffer> = Uint8Array.from([...Buffer.from('RFB 003.008\n'), 1, 1]);

export function writeClientMessage(message: RfbClientMessage): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(bytesOf(message));
}

function bytesOf(message: RfbClientMessage): number[] {
  switch (message.type) {
    case 'pixel-format':
      return [0, 0, 0, 0, ...pixelFormat(message.format)];
    case 'encodings':
      return [2, 0, ...u16(message.encodings.length), ...message.encodings.flatMap(u32)];
    case 'update-request':
      return [3, Number(message.incremental), ...area(message.area)];
    case 'key':
      if (message.scanCode === 0) return [4, Number(message.down), 0, 0, ...u32(message.keysym)];
      return [255, 0, ...u16(Number(message.down)), ...u32(message.keysym), ...u32(message.scanCode)];
    case 'pointer':
      return [5, message.buttons, ...u16(message.x), ...u16(message.y)];
    case 'cut-text': {
      const { length } = message.bytes;
      return [6, 0, 0, 0, ...u32(message.extended ? -length : length), ...message.bytes];
    }
    case 'continuous-updates':
      return [150, Number(message.on), ...area(message.area)];
    case 'fence':
      return [248, 0, 0, 0, ...u32(message.flags), message.payload.length, ...message.payload];
    case 'desktop-size': {
      const screens = message.screens.flatMap(screen => [...u32(screen.id), ...area(screen), ...u32(screen.flags)]);
      return [251, 0, ...u16(message.width), ...u16(message.height), message.screens.length, 0, ...screens];
    }
  }
}

function pixelFormat(format: PixelFormat): number[] {
  return [
    ...[format.bitsPerPixel, format.depth, Number(format.bigEndian), 1],
    ...[...u16(format.redMax), ...u16(format.greenMax), ...u16(format.blueMax)],
    ...[format.redShift, format.greenShift, format.blueShift, 0, 0, 0],
  ];
}

function area(of: { x: number; y: number; width: number; height: number }): number[] {
  return [...u16(of.x), ...u16(of.y), ...u16(of.width), ...u16(of.height)];
}

function u16(value: number): number[] {
  return [(value >> 8) & 255, value & 255];
}

function u32(value: number): number[] {
  return [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}
