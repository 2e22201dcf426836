// The verifier in a browser, opened from a disk: what is checked is in protocol/evidence-check.ts.
import { sha256 } from '@noble/hashes/sha2.js';
import { webCrypto } from '../../browser/web-crypto.ts';
import { describeError } from '../../errors.ts';
import type { EvidenceManifest } from '../../protocol/evidence.ts';
import {
  checkEvidence,
  type EvidenceCrypto,
  type EvidenceVerdict,
  trustedFingerprint,
} from '../../protocol/evidence-check.ts';
import type { ByteSource } from '../../protocol/zip.ts';

// A browser's own SHA-256 takes a file only whole, and a film may be larger than memory.
const evidenceCrypto: EvidenceCrypto = {
  newHash: () => {
    const hash = sha256.create();
    return { add: bytes => void hash.update(bytes), digest: () => new Uint8Array(hash.digest()) };
  },
  verifyEs256: async (spki, message, signature) => webCrypto.verifyEs256(spki, message, signature),
};

const [keyFile, fingerprint, bundle] = [input('key'), input('fingerprint'), input('bundle')];
const [drop, progress, result] = [
  find('drop', HTMLElement),
  find('progress', HTMLProgressElement),
  find('result', HTMLElement),
];
let zip: File | null = null;
let turn = 0;

keyFile.addEventListener('change', () => void check());
fingerprint.addEventListener('change', () => void check());
bundle.addEventListener('change', () => take(bundle.files?.[0]));
document.addEventListener('dragover', event => {
  event.preventDefault();
  drop.classList.add('over');
});
document.addEventListener('dragleave', () => drop.classList.remove('over'));
document.addEventListener('drop', event => {
  event.preventDefault();
  drop.classList.remove('over');
  take(event.dataTransfer?.files[0]);
});

function take(file: File | undefined): void {
  zip = file ?? null;
  void check();
}

async function check(): Promise<void> {
  const mine = ++turn;
  result.hidden = true;
  progress.hidden = true;
  if (zip === null) return;
  const file = zip;
  try {
    const trusted = await readTrusted();
    if (mine !== turn) return;
    if (trusted === undefined) return show('bad', 'That is no public key and no fingerprint', []);
    progress.hidden = false;
    const onProgress = (done: number, all: number) => {
      if (mine === turn) progress.value = done / all;
    };
    const verdict = await checkEvidence(sourceOf(file), { crypto: evidenceCrypto, trusted, onProgress });
    if (mine === turn) showVerdict(verdict, file.name, trusted);
  } catch (error) {
    if (mine !== turn) return;
    show('bad', 'It could not be checked', [['Why', [describeError(error)]]]);
  } finally {
    if (mine === turn) progress.hidden = true;
  }
}

/** @returns '' where nobody is trusted yet */
async function readTrusted(): Promise<string | undefined> {
  const typed = fingerprint.value.trim();
  const text = typed === '' ? ((await keyFile.files?.[0]?.text()) ?? '') : typed;
  return text === '' ? '' : trustedFingerprint(evidenceCrypto, text);
}

function showVerdict(
  { holds, problems, facts, notes, signedBy, manifest }: EvidenceVerdict,
  name: string,
  trusted: string,
): void {
  const wrong = problems.filter(({ where }) => trusted !== '' || where !== 'signature');
  const what = manifest === null ? [name] : factsOf(manifest, name);
  const about = trusted === '' ? 'You named no key. It says it is signed by the key' : 'You trusted the key';
  const parts: [string, string[]][] = [
    ['What is wrong', wrong.map(({ where, what: words }) => `${where}: ${words}`)],
    ['What holds', facts.slice()],
    ['What you should know', notes.slice()],
    ['Bundle', [...what, `${about} ${trusted === '' ? (signedBy ?? 'none') : trusted}`]],
  ];
  if (holds) show('good', 'Everything holds', parts);
  else if (wrong.length > 0) show('bad', 'This bundle does not hold', parts);
  else show('bad', 'It fits together, but whose it is is not known: name the key you trust', parts);
}

function factsOf({ sid, organisation, session, madeAt, madeBy }: EvidenceManifest, name: string): string[] {
  const who = [session.technician, session.customer].map(one => (one === undefined ? 'not known' : String(one)));
  const times = [session.createdAt, session.endedAt].map(at => (at === undefined ? 'not yet' : timeOf(Number(at))));
  return [
    `${name}: session ${sid}${organisation === '' ? '' : ` of ${organisation}`}`,
    `Technician: ${who[0]}; customer: ${who[1]}`,
    `Made ${times[0]}, ended ${times[1]} (UTC)`,
    `Taken ${timeOf(madeAt)} (UTC) by ${madeBy}`,
  ];
}

function timeOf(at: number): string {
  const date = new Date(at); // of a manifest that may have been changed
  return Number.isNaN(date.getTime()) ? 'at no time there is' : date.toISOString().replace('T', ' ').slice(0, 19);
}

function show(look: 'good' | 'bad', words: string, parts: readonly (readonly [string, readonly string[]])[]): void {
  find('verdict', HTMLElement).textContent = words;
  const report = find('report', HTMLElement);
  report.replaceChildren();
  for (const [title, items] of parts) {
    if (items.length === 0) continue;
    const list = document.createElement('ul');
    for (const item of items) list.append(withText('li', item));
    report.append(withText('h3', title), list);
  }
  result.className = look;
  result.hidden = false;
}

function withText(tag: string, text: string): HTMLElement {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

function sourceOf(file: File): ByteSource {
  return {
    size: file.size,
    read: async (offset, length) => {
      const bytes = new Uint8Array(await file.slice(offset, offset + length).arrayBuffer());
      if (bytes.length !== length) throw new RangeError('the file is shorter than it was');
      return bytes;
    },
  };
}

function input(id: string): HTMLInputElement {
  return find(id, HTMLInputElement);
}

function find<E extends HTMLElement>(id: string, type: new () => E): E {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new TypeError(`the page has no ${id}`);
  return element;
}
