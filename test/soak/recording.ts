// kill -9 of recorder, gateways, portal and console in the middle of sessions that must be recorded (H-03): no finished recording
// without its manifest, none that can't be seen, and no picture that was shown without a recording for longer than the rule allows.
import { killRecorders } from '../support/recording-kills.ts';
import type { Soaks } from '../support/soak.ts';

const KILLS = 100;

export const soaks: Soaks = {
  'recording-kills': async () => {
    const { kills, sessions, held, longestMs, films, avis, wrong } = await killRecorders(KILLS);
    const found = `${sessions} sessions, ${films} films, ${avis} AVIs; held ${held} times, after ${longestMs} ms at most`;
    const detail = wrong.length === 0 ? found : wrong.join('\n');
    return { soak: 'recording-kills', rounds: kills, lost: wrong.length, ok: wrong.length === 0 && held > 0, detail };
  },
};
