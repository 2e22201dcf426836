// The portal's wishes on the recorder's socket: the gateway passes nothing there but upgrades of consoles, so who asks is of this
// machine; what he can have is that a finished film is made into an AVI beside it.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { ApplianceError, describeError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { RECORDER_AVI_PATH, RECORDER_WISH_PATH } from '../../protocol/recorder-portal.ts';
import type { AviMaker } from '../avi-maker.ts';

const MAX_WISH_BYTES = 1024;
const ID = '[A-Za-z0-9_-]{22}';
const Wish = z
  .strictObject({
    stream: z.string().regex(new RegExp(`^${ID}$`)),
    name: z.string().regex(new RegExp(`^\\d{4}/\\d\\d/\\d\\d/\\d{6}-${ID}-${ID}$`)),
  })
  .refine(({ stream, name }) => name.endsWith(`-${stream}`), 'a film of another stream');

export type WishedAvis = Pick<AviMaker, 'want' | 'stateOf'>;

/** @returns false for what is no wish */
export function answerWish(request: IncomingMessage, answer: ServerResponse, avis: WishedAvis, log: Log): boolean {
  const isWish = request.url === RECORDER_WISH_PATH;
  if (request.method !== 'POST' || (!isWish && request.url !== RECORDER_AVI_PATH)) return false;
  void act(request, avis, isWish).then(
    state => send(answer, 200, state),
    error => {
      const isMalformed = error instanceof z.ZodError || error instanceof SyntaxError;
      const status = error instanceof ApplianceError ? error.status : isMalformed ? 400 : 500;
      log.warn('recorder.wish-refused', { status, why: isMalformed ? 'malformed' : describeError(error) });
      send(answer, status, {});
    },
  );
  return true;
}

async function act(request: IncomingMessage, avis: WishedAvis, isWish: boolean): Promise<object> {
  let text = '';
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > MAX_WISH_BYTES)
      throw new ApplianceError('malformed', 'recorder.too-long', 'the wish is too long');
  }
  const wish = Wish.parse(JSON.parse(text));
  if (isWish) await avis.want(wish);
  return avis.stateOf(wish);
}

function send(answer: ServerResponse, status: number, body: object): void {
  if (answer.destroyed) return;
  answer.writeHead(status, { 'content-type': 'application/json', connection: 'close' }).end(JSON.stringify(body));
}
