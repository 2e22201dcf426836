// Sounds and desktop notifications. A sound is made, not loaded; a notification never holds what somebody wrote.
import type { SessionView } from '../protocol/console-api.ts';
import type { Settings } from './settings.ts';
import type { WorkplaceNews } from './workplace.ts';

/** Tones in Hz, one after the other. */
const tunes: Readonly<Record<WorkplaceNews, readonly number[]>> = {
  incoming: [660, 880, 660],
  line: [740],
  answer: [587, 784],
  back: [523, 659],
  lost: [330, 262],
  'claimed-twice': [392, 392, 392],
  'handshake-failed': [392, 392, 392],
};
const titles: Readonly<Record<WorkplaceNews, string>> = {
  incoming: 'A customer is waiting',
  line: 'New message',
  answer: 'The customer has answered',
  back: 'The customer is back',
  lost: 'Connection to the customer lost',
  'claimed-twice': 'Two have come with one PIN',
  'handshake-failed': 'A connection was refused',
};
const TONE_S = 0.12;
const VOLUME = 0.08;

export class Attention {
  readonly #settings: Settings;
  readonly #show: (sessionId: string) => void;
  #audio: AudioContext | null = null;

  /** @param show called when a notification is clicked */
  constructor(settings: Settings, show: (sessionId: string) => void) {
    this.#settings = settings;
    this.#show = show;
  }

  /** Asks the browser for leave. @returns whether notifications are on now */
  async allowNotifications(): Promise<boolean> {
    if (!('Notification' in globalThis)) return false;
    return (await Notification.requestPermission()) === 'granted';
  }

  tell(news: WorkplaceNews, session: SessionView): void {
    const isLookedAt = document.visibilityState === 'visible' && document.hasFocus();
    if (news === 'line' && isLookedAt) return;
    if (this.#settings.values.sounds) this.#play(tunes[news]);
    if (this.#settings.values.notifications && !isLookedAt) this.#notify(news, session);
  }

  #notify(news: WorkplaceNews, session: SessionView): void {
    if (!('Notification' in globalThis) || Notification.permission !== 'granted') return;
    const body = session.customerName ?? 'Customer without a name';
    const notification = new Notification(titles[news], { body, tag: `${news} ${session.id}` });
    notification.onclick = () => {
      window.focus();
      notification.close();
      this.#show(session.id);
    };
  }

  #play(tones: readonly number[]): void {
    this.#audio ??= new AudioContext();
    const audio = this.#audio;
    if (audio.state === 'suspended') {
      void audio.resume(); // a browser is silent until its user has touched the page
      return;
    }
    for (const [at, frequency] of tones.entries()) {
      const tone = audio.createOscillator();
      const volume = audio.createGain();
      const from = audio.currentTime + at * TONE_S;
      tone.frequency.value = frequency;
      volume.gain.setValueAtTime(VOLUME, from);
      volume.gain.exponentialRampToValueAtTime(0.0001, from + TONE_S);
      tone.connect(volume).connect(audio.destination);
      tone.start(from);
      tone.stop(from + TONE_S);
    }
  }
}
