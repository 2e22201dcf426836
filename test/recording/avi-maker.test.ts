// AVIs made of finished recordings by themselves.
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { ApplianceError } from '../../appliance/errors.ts';
import { createLog } from '../../appliance/log.ts';
import { Metrics } from '../../appliance/metrics.ts';
import type { MadeAvi } from '../../appliance/protocol/recorder-portal.ts';
import { AviMaker, type Convert } from '../../appliance/recording/avi-maker.ts';
import { convertIn } from '../../appliance/recording/avi-process.ts';
import { Picture } from '../../appliance/recording/decode/picture.ts';
import { RcrecDiskOutput } from '../../appliance/recording/rcrec-disk.ts';
import { RcrecWriter } from '../../appliance/recording/rcrec-writer.ts';
import { RecordingShare } from '../../appliance/recording/recording-share.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { TempFolder } from '../support/temp-folder.ts';
import { head } from './open-rcrec.ts';
import { digestOf, manifestOf } from './open-recorder.ts';

const run = promisify(execFile);
const NAME = 'A'.repeat(22);
const convert = convertIn(join(import.meta.dirname, '../../appliance/bin/make-avi.ts'));

class Made implements Disposable {
  readonly folder = new TempFolder();
  readonly share = new RecordingShare(this.folder.path);
  readonly clock = new ManualClock();
  readonly made: MadeAvi[] = [];
  readonly failed: string[] = [];
  readonly lines: string[] = [];
  readonly finishedName = this.share.finishedName(NAME, head.sid, head.startedAt);
  format: 'rcrec' | 'avi' | 'both' | null = 'both';
  isPortalAway = false;

  /** Two seconds of a picture, finished. */
  async record(): Promise<void> {
    await this.share.prepare();
    const writer = RcrecWriter.begin(new RcrecDiskOutput(this.share.writingPath(NAME), true), head);
    const picture = new Picture(64, 48);
    for (let step = 0; step <= 10; step++) {
      writer.time(step * 200);
      picture.fill({ x: step, y: step, width: 20, height: 20 }, step * 20, 9, 9);
      writer.frame(picture);
    }
    await writer.end(1);
    await writer.close();
    await this.share.finish(NAME, this.finishedName, '{}\n');
  }

  maker(how: Convert = convert): AviMaker {
    const away = () => {
      if (this.isPortalAway) throw new ApplianceError('unavailable', 'recording.portal-away', 'away');
    };
    const portal = {
      format: async () => {
        away();
        return this.format;
      },
      aviMade: async (avi: MadeAvi) => {
        away();
        this.made.push(avi);
        return { kid: 'k', payload: JSON.stringify(avi), signature: 's' };
      },
      aviFailed: async ({ code }: { code: string }) => void this.failed.push(code),
    };
    const log = createLog('recorder', { write: line => void this.lines.push(line) });
    return new AviMaker({ clock: this.clock, log, metrics: new Metrics(), share: this.share, portal, convert: how });
  }

  path(ending: string): string {
    return `${this.share.finishedPath(this.finishedName)}${ending}`;
  }

  finished(): string[] {
    const stem = this.finishedName.split('/').at(-1) ?? '';
    return readdirSync(join(this.path(''), '..'))
      .map(file => file.replace(stem, ''))
      .sort();
  }

  converting(): string[] {
    return readdirSync(join(this.folder.path, 'converting'))
      .map(file => file.replace(NAME, ''))
      .sort();
  }

  [Symbol.dispose](): void {
    this.folder[Symbol.dispose]();
  }
}

async function framesOf(path: string): Promise<string> {
  const args = ['-v', 'error', '-count_frames', '-select_streams', 'v', '-show_entries', 'stream=nb_read_frames'];
  return (await run('ffprobe', [...args, '-of', 'csv=p=0', path])).stdout.trim();
}

async function wholeAvi(t: ExecutionContext, at: Made): Promise<void> {
  t.is(await framesOf(at.path('.avi')), '11');
  const told = manifestOf(at.path('.avi.manifest.json'));
  t.like(told, { sid: head.sid, name: at.finishedName, sha256: digestOf(at.path('.avi')), frames: 11, codec: 'h264' });
  t.deepEqual(at.converting(), []);
}

test('H-01 beside a finished recording comes its AVI, with a manifest that joins the two', async t => {
  using at = new Made();
  await at.record();
  await at.maker().look();
  await wholeAvi(t, at);
  t.is(at.made[0]?.rcrecSha256, digestOf(at.path('.rcrec')));
  t.deepEqual(at.finished(), ['.avi', '.avi.manifest.json', '.manifest.json', '.rcrec']);
});

test('H-01 where AVI alone is kept, the RCREC goes when the AVI and its manifest are there, and not before', async t => {
  using at = new Made();
  at.format = 'avi';
  await at.record();
  at.isPortalAway = true;
  await at.maker().look();
  t.deepEqual(at.finished(), ['.manifest.json', '.rcrec']);
  at.isPortalAway = false;
  const maker = at.maker(async () => {
    throw new ApplianceError('unavailable', 'recording.avi-failed', 'no room');
  });
  await maker.look();
  t.deepEqual(at.finished(), ['.manifest.json', '.rcrec']);
  t.true(at.lines.some(line => line.includes('recording.avi-put-off')));
  await at.maker().look();
  await wholeAvi(t, at);
  t.deepEqual(at.finished(), ['.avi', '.avi.manifest.json', '.manifest.json']);
  t.like(at.made[0], { isOnly: true });
});

test('H-01 where RCREC alone is kept, or the session is gone, no AVI is made', async t => {
  for (const format of ['rcrec', null] as const) {
    using at = new Made();
    at.format = format;
    await at.record();
    await at.maker(() => Promise.reject(new Error('not to be called'))).look();
    t.deepEqual(at.finished(), ['.manifest.json', '.rcrec']);
    t.deepEqual(at.converting(), []);
  }
});

test('H-01 where RCREC alone is kept one that is asked for is made beside it, whoever makes it; how far it is is told', async t => {
  using at = new Made();
  at.format = 'rcrec';
  await at.record();
  await at.maker().look();
  const wish = { stream: NAME, name: at.finishedName };
  const asked = at.maker();
  t.is((await asked.stateOf(wish)).state, 'none');
  await asked.want(wish);
  t.is((await asked.stateOf(wish)).state, 'waiting');
  const busy: AviMaker = at.maker(async ({ onProgress }) => {
    onProgress(0.375);
    t.deepEqual(await busy.stateOf(wish), { state: 'making', percent: 37, code: null });
    throw new ApplianceError('unavailable', 'recording.avi-failed', 'no room');
  });
  await busy.look();
  t.deepEqual(await busy.stateOf(wish), { state: 'put-off', percent: 0, code: 'recording.avi-failed' });
  await busy.want(wish);
  t.is((await busy.stateOf(wish)).state, 'waiting', 'asked for again it is not put off any more');
  await at.maker().look(); // after a kill
  await wholeAvi(t, at);
  t.deepEqual(at.finished(), ['.avi', '.avi.manifest.json', '.manifest.json', '.rcrec']);
  t.deepEqual(at.converting(), []);
  t.is((await busy.stateOf(wish)).state, 'none');
  const other = { ...wish, name: wish.name.replace('/06/', '/07/') };
  await t.throwsAsync(asked.want(other), { code: 'recording.missing' });
});

test('H-01 one that was cut off is made by the next, over what the first has left', async t => {
  using at = new Made();
  await at.record();
  const begun = Promise.withResolvers<void>();
  const first = at.maker((_, signal) => {
    begun.resolve();
    return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('cut off'))));
  });
  first.start();
  await begun.promise;
  await first.close();
  writeFileSync(`${at.share.aviPath(NAME)}.99.part`, 'half of an AVI');
  t.deepEqual(at.finished(), ['.manifest.json', '.rcrec']);
  await at.maker().look();
  await wholeAvi(t, at);
});

test('H-01 killed after the AVI and before its note was gone, nothing is made twice', async t => {
  using at = new Made();
  at.format = 'avi';
  await at.record();
  const note = `${at.share.aviPath(NAME).replace('.avi', '.unconverted')}`;
  const text = readFileSync(note);
  const rcrec = readFileSync(at.path('.rcrec'));
  await at.maker().look();
  writeFileSync(note, text);
  writeFileSync(at.path('.rcrec'), rcrec); // as it was just before it went
  await at.maker(() => Promise.reject(new Error('not to be called'))).look();
  await wholeAvi(t, at);
  t.false(existsSync(at.path('.rcrec')));
  t.is(at.made.length, 1);
});

test('H-01 of a file that can’t be read there is no AVI: it is told once, and the recording stays', async t => {
  using at = new Made();
  at.format = 'avi';
  await at.record();
  truncateSync(at.path('.rcrec'), 10);
  await at.maker().look();
  t.is(at.failed.length, 1);
  t.deepEqual(at.finished(), ['.manifest.json', '.rcrec']);
  t.deepEqual(at.converting(), []);
});

test('H-01 what failed for a reason that may pass is tried again, later each time', async t => {
  using at = new Made();
  await at.record();
  let tries = 0;
  const maker = at.maker(async () => {
    tries++;
    throw new ApplianceError('unavailable', 'recording.avi-failed', 'no room');
  });
  await maker.look();
  await maker.look();
  t.is(tries, 1);
  at.clock.advance(10_000);
  await maker.look();
  at.clock.advance(10_000);
  await maker.look();
  t.is(tries, 2);
  at.clock.advance(10_000);
  await maker.look();
  t.is(tries, 3);
});
