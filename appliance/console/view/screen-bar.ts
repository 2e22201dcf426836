// The bar above the picture: what the technician may do with it, and what he can ask for.
import { html, nothing, type TemplateResult } from 'lit';
import { ALL_MONITORS, type Quality } from '../../protocol/screen.ts';
import type { Combination } from '../key-combinations.ts';
import { recordingHint, recordingSign } from '../recording-words.ts';
import { CONTROL, monitorWords, qualityWords, RECORDING, VIEWING } from '../screen-words.ts';
import type { TechnicianSession } from '../technician-session.ts';
import { requestWords } from '../words.ts';
import type { Workplace } from '../workplace.ts';
import { icon } from './icon.ts';
import './clipboard-menu.ts';
import './key-menu.ts';

export interface ScreenBarState {
  readonly isFit: boolean;
  readonly isFull: boolean;
  readonly isWide: boolean;
  readonly isPointing: boolean;
  readonly hasChat: boolean;
  readonly hasPanel: boolean;
}

export type ScreenSwitch = keyof ScreenBarState;

export interface ScreenBarActs {
  readonly ask: (action: string) => void;
  readonly stop: (action: string) => void;
  readonly flip: (what: ScreenSwitch) => void;
  readonly press: (keys: Combination) => void;
  readonly type: (text: string) => void;
  readonly screenshot: () => void;
}

const qualities: readonly Quality[] = ['auto', 'sharp', 'light'];

export function screenBar(
  session: TechnicianSession,
  workplace: Workplace,
  state: ScreenBarState,
  acts: ScreenBarActs,
): TemplateResult {
  const { screen } = session;
  const isLive = screen.live !== null;
  return html`<div class="screen-bar" role="toolbar" aria-label="Screen">
    <div class="bar-acts">
    ${control(session, acts)} ${recording(session, acts)}
    <span class="bar-group">
      ${flipper('isFit', state, acts, 'scan', 'Fit', !isLive)}
      ${flipper('isFull', state, acts, state.isFull ? 'minimize' : 'fullscreen', 'Full screen', !isLive)}
      ${state.isFull ? nothing : flipper('isWide', state, acts, 'expand', 'Wide', false)}
    </span>
    ${monitors(session)} ${quality(session)}
    <span class="bar-group">
      <key-menu
        .isDisabled=${!isLive || screen.input === 'off'}
        @press=${({ detail }: CustomEvent<Combination>) => acts.press(detail)}
        @type=${({ detail }: CustomEvent<string>) => acts.type(detail)}
      ></key-menu>
      <clipboard-menu .model=${session} .workplace=${workplace}></clipboard-menu>
      ${flipper('isPointing', state, acts, 'pointer', 'Pointer', !isLive)}
      <button type="button" class="small ghost" title="Screenshot" ?disabled=${screen.shown === null} @click=${acts.screenshot}>
        ${icon('camera')}<span class="bar-words">Screenshot</span>
      </button>
    </span>
    </div>
    <span class="bar-group">${sides(session, state, acts)}</span>
    <button
      type="button"
      class="small danger"
      aria-label="Stop viewing"
      title="Stop viewing"
      ?disabled=${screen.grants.viewing === null} @click=${() => acts.stop(VIEWING)}>
      Stop
    </button>
  </div>`;
}

/** View only, or control: told apart by colour, icon and words. */
function control(session: TechnicianSession, acts: ScreenBarActs): TemplateResult {
  const { screen, requests } = session;
  const last = requests.lastOf(CONTROL);
  if (screen.grants.viewing === null)
    return html`<span class="mode" data-testid="screen-mode">${icon('eye')}Not now</span>`;
  if (screen.grants.control !== null)
    return html`<span class="mode control" data-testid="screen-mode">${icon('mouse-pointer-2')}You control</span>
      <button type="button" class="small" @click=${() => acts.stop(CONTROL)}>Give back</button>`;
  const mode = html`<span class="mode viewing" data-testid="screen-mode">${icon('eye')}View only</span>`;
  if (last !== undefined && ['sent', 'asked', 'allowed'].includes(last.state))
    return html`${mode}<span class="hint" role="status">${requestWords[last.state]}</span>
      <button type="button" class="small" @click=${() => acts.stop(CONTROL)}>Take back</button>`;
  return html`${mode} ${askForControl(session, acts)}`;
}

function recording(session: TechnicianSession, acts: ScreenBarActs): TemplateResult | typeof nothing {
  const { screen, requests, recording: view } = session;
  const sign = recordingSign(view);
  const isOwn = !view.isForced && session.mayRecord && screen.grants.viewing !== null;
  const shown =
    sign === null
      ? nothing
      : html`<span class="mode ${sign.isWell ? 'rec' : 'rec-waits'}" data-testid="recording" role="status"
          title=${recordingHint(view)}>${sign.text}</span>`;
  if (!isOwn) return shown;
  const last = requests.lastOf(RECORDING);
  if (last !== undefined && ['sent', 'asked', 'allowed'].includes(last.state))
    return html`${shown}<span class="hint" role="status">${requestWords[last.state]}</span>
      <button type="button" class="small" @click=${() => acts.stop(RECORDING)}>Take back</button>`;
  if (screen.grants.recording !== null)
    return html`${shown}${pause(session)}<button type="button" class="small" @click=${() => acts.stop(RECORDING)}>Stop recording</button>`;
  return html`${shown}<button type="button" class="small" ?disabled=${session.link.phase !== 'open'} @click=${() => acts.ask(RECORDING)}>Record</button>`;
}

/** One button, so that the focus stays on it. */
function pause(session: TechnicianSession): TemplateResult | typeof nothing {
  const { mayPause, pausedAt } = session.recording;
  if (!mayPause && pausedAt === null) return nothing;
  const [name, words] = pausedAt === null ? ['pause', 'Pause recording'] : ['play', 'Go on recording'];
  return html`<button type="button" class="small" @click=${() => session.pauseRecording(pausedAt === null)}>
    ${icon(name ?? '')}${words}
  </button>`;
}

function askForControl(session: TechnicianSession, acts: ScreenBarActs): TemplateResult | typeof nothing {
  const permission = session.detail?.permissions.find(({ action }) => action === CONTROL);
  if (session.screen.grants.viewing === null || permission === undefined) return nothing;
  if (session.view.platform === 'browser')
    return html`<span class="hint">Control needs the program: this customer stays in his browser.</span>`;
  if (!permission.allowed) return html`<span class="hint" title=${permission.why}>Control is not allowed here.</span>`;
  return html`<button type="button" class="small" ?disabled=${session.link.phase !== 'open'} @click=${() => acts.ask(CONTROL)}>
    ${icon('mouse-pointer-2')}Ask for control
  </button>`;
}

function flipper(
  what: ScreenSwitch,
  state: ScreenBarState,
  acts: ScreenBarActs,
  name: string,
  words: string,
  isDisabled: boolean,
): TemplateResult {
  return html`<button
    type="button"
    class="small ghost"
    title=${words}
    aria-pressed=${state[what]}
    ?disabled=${isDisabled}
    @click=${() => acts.flip(what)}
  >
    ${icon(name)}<span class="bar-words">${words}</span>
  </button>`;
}

function monitors({ screen }: TechnicianSession): TemplateResult | typeof nothing {
  if (screen.monitors.length < 2) return nothing;
  const chosen = ({ target }: Event) => {
    if (target instanceof HTMLSelectElement) screen.chooseMonitor(Number(target.value));
  };
  return html`<label class="bar-choice"
    ><span class="sr">Monitor</span
    ><select @change=${chosen}>
      <option value=${ALL_MONITORS} ?selected=${screen.monitor === ALL_MONITORS}>All monitors</option>
      ${screen.monitors.map(
        one => html`<option value=${one.id} ?selected=${screen.monitor === one.id}>${monitorWords(one)}</option>`,
      )}
    </select></label
  >`;
}

function quality({ screen }: TechnicianSession): TemplateResult {
  const chosen = ({ target }: Event) => {
    const found = qualities.find(name => target instanceof HTMLSelectElement && target.value === name);
    if (found !== undefined) screen.chooseQuality(found);
  };
  return html`<label class="bar-choice"
    ><span class="sr">Quality</span
    ><select @change=${chosen}>
      ${qualities.map(name => html`<option value=${name} ?selected=${screen.quality === name}>${qualityWords[name]}</option>`)}
    </select></label
  >`;
}

function sides({ unread }: TechnicianSession, state: ScreenBarState, acts: ScreenBarActs): TemplateResult {
  if (state.isFull)
    return html`${unread > 0 ? html`<span class="badge bad">${unread} unread in the chat</span>` : nothing}`;
  return html`${flipper('hasChat', state, acts, 'message-square', 'Chat', false)}
    ${unread > 0 && !state.hasChat ? html`<b class="count">${unread}<span class="sr"> unread</span></b>` : nothing}
    ${flipper('hasPanel', state, acts, 'panel-right', 'Details', false)}`;
}
