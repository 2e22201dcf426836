// Messages on the stream `chat`, canonical JSON. A line keeps its id until it is acknowledged and may be sent again
// after a new link; the receiver shows an id once and acknowledges it each time.
import { toBase64Url } from '../guid.ts';
import { type Bytes, malformed } from './bytes.ts';
import { canonicalBytes } from './canonical-json.ts';
import { Fields } from './fields.ts';

export const CHAT_STREAM = 'chat';
export const CHAT_PRIORITY = 2;
export const MAX_LINE_BYTES = 8 * 1024;
const CHAT_ID_BYTES = 16;
const TYPES = ['line', 'received', 'typing'] as const;

export type ChatMessage =
  | { readonly type: 'line'; readonly id: Bytes; readonly text: string }
  | { readonly type: 'received'; readonly id: Bytes }
  | { readonly type: 'typing'; readonly typing: boolean };

export function writeChat(message: ChatMessage): Bytes {
  if (message.type === 'typing') return canonicalBytes({ v: 1, ...message });
  if (message.id.length !== CHAT_ID_BYTES) throw malformed('the id of a chat line has 16 bytes');
  return canonicalBytes({ v: 1, ...message, id: toBase64Url(message.id) });
}

export function parseChat(bytes: Bytes): ChatMessage {
  const fields = Fields.fromCanonical(bytes);
  fields.integer('v', 1, 1);
  const type = fields.oneOf('type', TYPES);
  const message = readChat(fields, type);
  fields.end();
  return message;
}

function readChat(fields: Fields, type: (typeof TYPES)[number]): ChatMessage {
  switch (type) {
    case 'line':
      return { type, id: fields.bytes('id', CHAT_ID_BYTES), text: fields.text('text', MAX_LINE_BYTES, 1) };
    case 'received':
      return { type, id: fields.bytes('id', CHAT_ID_BYTES) };
    case 'typing':
      return { type, typing: fields.boolean('typing') };
  }
}
