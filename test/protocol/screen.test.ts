// What a console and an applet say to each other about the desktop.
import fc from 'fast-check';
import {
  type InputMessage,
  type InputState,
  type Monitor,
  parseInput,
  parseInputState,
  parseScreenControl,
  parseScreenNews,
  type ScreenControl,
  type ScreenMessage,
  type ScreenNews,
  type ScreenNewsMessage,
  writeInput,
  writeInputState,
  writeScreenControl,
  writeScreenMark,
  writeScreenRfb,
} from '../../appliance/protocol/screen.ts';
import { decoderTests } from './decoder-rules.ts';

const grant = fc.integer({ min: 1, max: 2 ** 40 });
const monitor = fc.integer({ min: 0, max: 16 });
const quality = fc.constantFrom('auto' as const, 'sharp' as const, 'light' as const);
const rfb = fc.uint8Array({ minLength: 1, maxLength: 300 });
const side = fc.integer({ min: 1, max: 16_384 });
const monitors: fc.Arbitrary<Monitor[]> = fc.array(
  fc.record({
    id: fc.integer({ min: 1, max: 16 }),
    name: fc.stringMatching(/^[a-zA-Z0-9 .-]{1,20}$/),
    x: side,
    y: side,
    width: side,
    height: side,
    primary: fc.boolean(),
  }),
  { maxLength: 16 },
);

const pictures = rfb.map(bytes => ({ type: 'rfb', bytes }) as const);

function write(message: ScreenMessage<ScreenControl | ScreenNews> | ScreenNewsMessage) {
  if (message.type === 'mark') return writeScreenMark(message.bytes);
  return message.type === 'rfb' ? writeScreenRfb(message.bytes) : writeScreenControl(message.control);
}

decoderTests<ScreenMessage<ScreenControl>>('a console’s screen message', {
  parse: parseScreenControl,
  write,
  values: fc.oneof(
    pictures,
    fc
      .oneof(
        fc.record({ type: fc.constant('open' as const), grant, monitor, quality }),
        fc.record({ type: fc.constant('monitor' as const), monitor }),
        fc.record({ type: fc.constant('quality' as const), quality }),
        fc.record({ type: fc.constant('pace' as const), visible: fc.boolean() }),
      )
      .map(control => ({ type: 'control', control }) as const),
  ),
  cutsAreMessages: true,
});

decoderTests<ScreenNewsMessage>('an applet’s screen message', {
  parse: parseScreenNews,
  write,
  values: fc.oneof(
    pictures,
    fc
      .oneof(
        fc.record({ type: fc.constant('monitors' as const), monitors, monitor }),
        fc.record({ type: fc.constant('state' as const), state: fc.constantFrom('live', 'paused', 'frozen') }),
        fc.record({ type: fc.constant('ended' as const), why: fc.constantFrom('stopped', 'display-lost', 'protocol') }),
      )
      .map(control => ({ type: 'control', control }) as ScreenNewsMessage),
    rfb.map(bytes => ({ type: 'mark', bytes }) as const),
  ),
  cutsAreMessages: true,
});

decoderTests<InputMessage>('an input message', {
  parse: parseInput,
  write: writeInput,
  values: fc.oneof(
    fc.record({ type: fc.constantFrom('event' as const, 'clipboard' as const), grant, rfb }),
    fc.record({
      type: fc.constant('laser' as const),
      grant,
      x: fc.integer({ min: 0, max: 65_535 }),
      y: fc.integer({ min: 0, max: 65_535 }),
      shown: fc.boolean(),
    }),
  ),
  cutsAreMessages: true,
});

decoderTests<InputState>('the state of input', {
  parse: parseInputState,
  write: writeInputState,
  values: fc.constantFrom('on', 'paused', 'customer-input', 'question', 'frozen', 'off'),
});
