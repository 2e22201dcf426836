// A customer's desktop over a real appliance, gateway and link, in a viewer that is none of ours: what TigerVNC's shows is what
// the customer's X server has in its frame buffer.
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { BridgedSession } from '../support/bridged-session.ts';
import { codecs } from '../support/rfb-session.ts';
import { numbersFrom } from '../support/test-screen.ts';
import { windowOf } from '../support/tiger-viewer.ts';
import { Desktop } from './desktop.ts';
import { frameBuffer, Painter, WITH_FRAME_BUFFER } from './x-painter.ts';

const [WIDTH, HEIGHT] = [1920, 1080];
const WHOLE = { x: 0, y: 0, width: WIDTH, height: HEIGHT };

test('E-04 TigerVNC’s viewer shows the customer’s desktop over the link, pixel by pixel', async t => {
  await using customers = await Desktop.open(WITH_FRAME_BUFFER);
  await using viewers = await Desktop.open({ ...WITH_FRAME_BUFFER, screen: '2000x1150x24' });
  const painter = await Painter.open(customers);
  await using session = await BridgedSession.open(customers.environment, codecs);
  const quiet = ['-SecurityTypes=None', '-RemoteResize=0', '-ViewOnly=1', '-AlertOnFatalError=0', '-Log=*:stderr:0'];
  viewers.run('vncviewer', [...quiet, '-AutoSelect=0', `127.0.0.1::${session.port}`]);
  const window = await windowOf(viewers, WIDTH, HEIGHT);
  const random = numbersFrom(3);
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 30; i++) {
      const [x, y] = [random() % 1700, random() % 900];
      await painter.fill(random() & 0xffffff, { x, y, width: 1 + (random() % 220), height: 1 + (random() % 180) });
    }
    await painter.scroll({ x: 100, y: 50, width: 1500, height: 900 }, 1 + (random() % 90));
    // The test's time limit is the deadline.
    while (!frameBuffer(viewers, window).equals(frameBuffer(customers, WHOLE))) await delay(50);
  }
  painter.close();
  t.pass();
});
