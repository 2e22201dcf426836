// Whether the X server has blanked the customer's screen for want of anybody at it (MIT-SCREEN-SAVER). What the technician does at
// the keyboard keeps it from that, as the customer's own hand does.
import type { XEvent } from 'x11';
import type { Clock } from '../../clock.ts';
import { ApplianceError } from '../../errors.ts';
import { XConnection } from '../x11/connection.ts';

const ON = 1;
const CYCLE = 2;

export interface ScreenSaverOptions {
  readonly clock: Clock;
  readonly environment: NodeJS.ProcessEnv;
  /** At each change, and at the beginning where it is blank. */
  readonly tell: (isBlank: boolean) => void;
}

/** Where there is no such display nothing is told. @returns stops it */
export function watchScreenSaver(options: ScreenSaverOptions): () => void {
  let isStopped = false;
  let connection: XConnection | null = null;
  const begin = async () => {
    connection = await XConnection.open(options);
    if (isStopped) return connection.close();
    await listen(connection, options.tell);
  };
  begin().catch(error => {
    connection?.close();
    if (!(error instanceof ApplianceError)) throw error;
  });
  return () => {
    isStopped = true;
    connection?.close();
  };
}

async function listen(connection: XConnection, tell: (isBlank: boolean) => void): Promise<void> {
  const saver = await connection.extension('screen-saver');
  if (saver === null) return connection.close();
  const { root } = connection.screen;
  let isBlank = false;
  const become = (state: number) => {
    if ((state === ON || state === CYCLE) === isBlank) return;
    isBlank = !isBlank;
    tell(isBlank);
  };
  connection.onEvent(({ name, rawData }: XEvent) => {
    if (name === 'ScreenSaverNotify') become(rawData.readUInt8(1));
  });
  saver.SelectInput(root, saver.eventMask.Notify);
  const { state } = await connection.ask<{ state: number }>(answer => saver.QueryInfo(root, answer));
  become(state);
}
