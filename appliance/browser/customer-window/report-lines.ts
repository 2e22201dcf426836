// The report at the end in words (K-04).
import type { WindowReport } from '../../protocol/customer-window.ts';
import { actionTexts } from './texts.ts';

export function reportLines(report: WindowReport): string[] {
  const { startedAt, endedAt, technicians, rights, files, reboots, warnings, isComplete } = report;
  const lines: string[] = [];
  if (startedAt !== null && endedAt !== null)
    lines.push(`From ${timeOf(startedAt)} to ${timeOf(endedAt)}, ${lasted((endedAt - startedAt) / 1000)}.`);
  lines.push(technicians.length === 0 ? 'No technician was connected.' : `Connected: ${technicians.join(', ')}.`);
  for (const right of rights) lines.push(rightLine(right));
  if (rights.length === 0) lines.push('Nothing but chat was asked for.');
  for (const { file, direction, bytes } of files)
    lines.push(`File ${direction === 'to you' ? 'to' : 'from'} this computer: ${file} (${bytes} bytes).`);
  if (reboots > 0) lines.push(`This computer was restarted ${times(reboots)}.`);
  if (warnings.includes('claimed-twice')) lines.push('Somebody else used the same code.');
  if (!isComplete) lines.push('The record on this computer could not be completed.');
  return lines;
}

function rightLine({ action, allowed, refused, seconds }: WindowReport['rights'][number]): string {
  const { name } = actionTexts(action);
  const said = [allowed > 0 ? `allowed ${times(allowed)}` : '', refused > 0 ? `refused ${times(refused)}` : ''];
  const ran = seconds > 0 ? `; it ran for ${lasted(seconds)}` : '';
  return `${name}: ${said.filter(Boolean).join(', ') || 'asked for'}${ran}.`;
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}

function lasted(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return `${Math.round(seconds / 60)} min`;
}

export function timeOf(at: number): string {
  return new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}
