// The monitors of an X11 desktop, from RandR 1.5 (randrproto §10); one that is the whole desktop where the server has none.
import type { RandR } from 'x11';
import type { Rectangle, ScreenLayout } from '../../customer-core/screen-source.ts';
import { MAX_MONITORS, MAX_SIDE, type Monitor } from '../../protocol/screen.ts';
import { refusalOf, type XConnection } from '../x11/connection.ts';
import { intersect, isSame } from './damage.ts';

const GET_MONITORS = 42;
const MAX_NAME = 64;

interface FoundMonitor extends Rectangle {
  readonly atom: number;
  readonly primary: boolean;
}

export async function readLayout(connection: XConnection, randr: RandR | null): Promise<ScreenLayout> {
  const { root } = connection.screen;
  const geometry = await connection.ask<{ width: number; height: number }>(answer =>
    connection.client.GetGeometry(root, answer),
  );
  const whole = { x: 0, y: 0, width: Math.min(geometry.width, MAX_SIDE), height: Math.min(geometry.height, MAX_SIDE) };
  const found = randr === null ? [] : await readMonitors(connection, randr, root);
  const monitors: Monitor[] = [];
  for (const { atom, primary, ...place } of found) {
    const seen = intersect(place, whole);
    if (seen.width === 0 || seen.height === 0 || monitors.length === MAX_MONITORS) continue;
    if (monitors.some(one => isSame(one, seen))) continue; // two that show the same
    const id = monitors.length + 1;
    monitors.push({ ...seen, id, primary, name: await readName(connection, atom, id) });
  }
  if (monitors.length === 0) return oneMonitor(whole.width, whole.height);
  const [first, ...others] = monitors;
  const isNone = first !== undefined && !monitors.some(({ primary }) => primary);
  return {
    width: whole.width,
    height: whole.height,
    monitors: isNone ? [{ ...first, primary: true }, ...others] : monitors,
  };
}

export function oneMonitor(width: number, height: number): ScreenLayout {
  return { width, height, monitors: [{ x: 0, y: 0, width, height, id: 1, primary: true, name: nameOf('', 1) }] };
}

export function isSameLayout(a: ScreenLayout, b: ScreenLayout): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** A name from elsewhere, as `Fields.line` takes it. */
function nameOf(text: string, id: number): string {
  const line = text
    .replaceAll(/[^\x20-\x7e]/g, '')
    .slice(0, MAX_NAME)
    .trim();
  return line === '' ? `Monitor ${id}` : line;
}

async function readName(connection: XConnection, atom: number, id: number): Promise<string> {
  const name = await orNothing(
    connection.ask<string>(answer => connection.client.GetAtomName(atom, answer)),
    '',
  );
  return nameOf(name, id);
}

async function readMonitors(connection: XConnection, randr: RandR, root: number): Promise<FoundMonitor[]> {
  const request = Buffer.alloc(12);
  request.writeUInt8(randr.majorOpcode, 0);
  request.writeUInt8(GET_MONITORS, 1);
  request.writeUInt16LE(3, 2);
  request.writeUInt32LE(root, 4);
  request.writeUInt8(1, 8); // those that are on
  return parseMonitors(await orNothing(connection.askBytes(request), Buffer.alloc(0)));
}

/** After the answer's head: 24 bytes, of which the second four count the monitors, each 24 bytes and its outputs. */
function parseMonitors(body: Buffer): FoundMonitor[] {
  const monitors: FoundMonitor[] = [];
  const count = body.length < 24 ? 0 : body.readUInt32LE(4);
  for (let at = 24; monitors.length < count && at + 24 <= body.length; at += 24 + 4 * body.readUInt16LE(at + 6)) {
    monitors.push({
      ...{ atom: body.readUInt32LE(at), primary: body.readUInt8(at + 4) !== 0 },
      ...{ x: body.readInt16LE(at + 8), y: body.readInt16LE(at + 10) },
      ...{ width: body.readUInt16LE(at + 12), height: body.readUInt16LE(at + 14) },
    });
  }
  return monitors;
}

/** An older server doesn't know the request, and an atom may have gone: neither ends anything. */
async function orNothing<T>(asked: Promise<T>, nothing: T): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (refusalOf(error) === undefined) throw error;
    return nothing;
  }
}
