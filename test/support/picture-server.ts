// A program: the X11 display named by DISPLAY behind a TCP port, as the applet shows it, but without a link. It says its port
// in one line, and ends with its standard input.
import { createRequire } from 'node:module';
import { X11Input } from '../../appliance/applet/input/x11-input.ts';
import { NodePictureCodecs } from '../../appliance/applet/picture-codecs.ts';
import { X11Screen } from '../../appliance/applet/screen/x11-screen.ts';
import { XConnection } from '../../appliance/applet/x11/connection.ts';
import { systemClock } from '../../appliance/clock.ts';
import { parseInputEvent } from '../../appliance/protocol/rfb-client-messages.ts';
import { RfbBridge } from './rfb-bridge.ts';

const options = { clock: systemClock, environment: process.env };
const source = await X11Screen.open(options);
const connection = await XConnection.open(options);
const sink = await X11Input.open({ connection, clock: systemClock, point: () => undefined });
const codecs = new NodePictureCodecs(createRequire(import.meta.url)('@julusian/jpeg-turbo'));
const bridge = await RfbBridge.open({ source, codecs, input: ({ bytes }) => sink.inject(parseInputEvent(bytes)) });
process.stdout.write(`${bridge.port}\n`);
process.stdin.resume().on('end', () => process.exit());
